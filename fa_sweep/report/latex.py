"""Write tables as LaTeX source for the packages booktabs and array, so that they fit the width of a two-column page."""

import re
from collections.abc import Iterator, Sequence

import pandas as pd

from fa_sweep.report.cells import Table
from fa_sweep.report.names import fold

PAGE = 7.0  # inches: the width of the text on a two-column page, which `table*` fills
CHARACTER = 0.059  # inches: the width of a digit in \footnotesize; letters are narrower in the mean
GAP = 0.12  # inches: between columns, with \tabcolsep as set below
LONGEST_KEY, LONGEST_CELL = 24, 17  # characters: longer texts are broken into several lines

_ESCAPED = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
}  # fmt: skip


def latex(table: Table, caption: str, label: str) -> str:
    """Return a table as LaTeX source, with every cell escaped.

    If its columns do not fit beside each other, the source has several tables. Each begins with the columns that say what the
    rows are about.

    Args:
        table: The table.
        caption: Its caption, without a full stop. Each of several tables adds its number.
        label: Its label. The second table adds "-2", and so on.
    """
    parts = list(_parts(table))
    sources, note = [], f" {table.note}" if table.note else ""
    for number, columns in enumerate(parts, 1):
        of = f" (table {number} of {len(parts)})" if len(parts) > 1 else ""
        own = label if number == 1 else f"{label}-{number}"
        sources.append(
            _one(
                table.frame[columns],
                len(table.keys),
                f"{caption}{of}. Numbers in parentheses are 95 % intervals.{note if number == 1 else ''}",
                own,
            )
        )
    return "\n".join(sources)


def sweep_label(name: str, title: str) -> str:
    """Return the label of a table of a sweep, such as "tab:my-sweep:groups", with letters, digits, hyphens and colons alone."""
    name, title = (re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-") for text in (name, title.lower()))
    return f"tab:{name}:{title}"


def _parts(table: Table) -> Iterator[list[str]]:
    """Yield the columns of each table that is needed: the main columns first, in their order, and as many as fit."""
    widths = column_widths(table.frame, len(table.keys))
    rest = [name for name in table.frame if name not in table.main]
    part, used = list(table.keys), sum(widths[key] for key in table.keys)
    room = PAGE - used
    for name in [name for name in table.main if name not in table.keys] + rest:
        if len(part) > len(table.keys) and widths[name] > room:
            yield part
            part, room = list(table.keys), PAGE - used
        part.append(name)
        room -= widths[name]
    yield part


def column_widths(frame: pd.DataFrame, keys: int) -> dict[str, float]:
    """Return about how wide each column of a table is on paper, in inches, after its cells are broken into lines.

    Args:
        frame: The table.
        keys: How many of the first columns say what the rows are about.
    """
    found = {}
    for place, name in enumerate(frame):
        most = LONGEST_KEY if place < keys else LONGEST_CELL
        texts = [str(name), *map(str, frame[name])]
        found[str(name)] = CHARACTER * max(len(line) for text in texts for line in fold(text, most).split("\n")) + GAP
    return found


def _one(frame: pd.DataFrame, keys: int, caption: str, label: str) -> str:
    lines = [r"\begin{table*}", r"\centering", r"\footnotesize", r"\setlength{\tabcolsep}{4pt}"]
    lines += [rf"\caption{{{escape_latex(caption)}}}", rf"\label{{{label}}}"]
    lines += [rf"\begin{{tabular}}{{{'l' * frame.shape[1]}}}", r"\toprule", _row(list(frame), keys), r"\midrule"]
    lines += [_row(row, keys) for row in frame.itertuples(index=False)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table*}", ""])


def _row(cells: Sequence[object], keys: int) -> str:
    texts = [_cell(str(cell), LONGEST_KEY if place < keys else LONGEST_CELL) for place, cell in enumerate(cells)]
    return " & ".join(texts) + r" \\"


def _cell(text: str, most: int) -> str:
    """Escape a cell. A long one becomes a small table of its lines, since columns of type l do not break lines."""
    lines = [escape_latex(line) for line in fold(text, most).split("\n")]
    if len(lines) == 1:
        return lines[0]
    return r"\begin{tabular}[t]{@{}l@{}}" + r"\\ ".join(lines) + r"\end{tabular}"


def escape_latex(text: str) -> str:
    """Escape text so that LaTeX prints it unchanged."""
    return "".join(_ESCAPED.get(character, character) for character in text)
