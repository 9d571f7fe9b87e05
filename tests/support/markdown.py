"""The code blocks of a Markdown page, and what tests are told about them.

- A block after a line that holds only a path in backticks and a colon is the content of that file.
- `bash` and `python` blocks are run. `text` after one of them is its output, in which `...` stands for anything.
- A comment directly before a block says how a test treats it: `<!-- test: not run, REASON -->`, or `<!-- test: A => B -->` to
  run it with B in place of A, which keeps a test short. `<!-- test: in a copy of the program -->` is about a whole page.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

COMMENT = r"<!-- test: ([^\n]*?) -->\n"
BLOCK = re.compile(
    rf"^((?:{COMMENT})*)(?:`(?P<file>[\w./-]+)`:\n\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
IN_A_COPY = "<!-- test: in a copy of the program -->"


@dataclass(frozen=True)
class Block:
    """One code block.

    `file` is the path of the file that it shows, if it shows one. `not_run` is the reason why it is not run, if there is one.
    `line` is the line of the page on which it begins.
    """

    language: str
    text: str
    line: int
    file: str | None = None
    not_run: str | None = None


def blocks(page: str) -> Iterator[Block]:
    """Yield the code blocks of a page, with the replacements that its comments ask for.

    Raises:
        ValueError: a comment is neither a reason nor a replacement, or what it replaces is not in the block.
    """
    for found in BLOCK.finditer(page):
        text, reason = found["text"], None
        for comment in re.findall(COMMENT, found[1]):
            if comment.startswith("not run, "):
                reason = comment.removeprefix("not run, ")
                continue
            old, arrow, new = comment.partition(" => ")
            if not arrow or old not in text:
                raise ValueError(f"<!-- test: {comment} --> fits no block")
            text = text.replace(old, new)
        yield Block(found["language"], text, page.count("\n", 0, found.start("text")), found["file"], reason)


def commands(text: str) -> list[str]:
    """Return the commands of a `bash` block, one per line. Lines that end in a backslash are joined with the next."""
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def shows(expected: str, printed: str) -> bool:
    """Whether the expected lines are among the printed ones, one after the other. `...` stands for anything."""
    lines = [line.rstrip() for line in expected.strip("\n").splitlines()]
    patterns = ["(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + "\n" for line in lines]
    plain = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
    return re.search("^" + "".join(patterns), plain, re.MULTILINE) is not None
