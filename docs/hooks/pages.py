"""Brings pages into the site that are kept elsewhere in the repository, and generates the reference.

Links between documents are written as paths in the repository, so that they also work in a checkout. On the site they lead to
the page that the document has become.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from docs.hooks import reference

ROOT = Path(__file__).resolve().parents[2]
# Where each document outside docs/ stands on the site.
ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/RESULTS.md": "benchmarks.md",
    "benchmarks/RESULTS.png": "RESULTS.png",
}
FOLDERS = {"analysis/findings": "findings"}
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")
CODE = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)


def elsewhere() -> dict[str, str]:
    """Return the place on the site of each file from outside docs/, by its path in the repository."""
    listed = {f"{folder}/{path.name}": f"{place}/{path.name}" for folder, place in FOLDERS.items()
              for path in sorted((ROOT / folder).iterdir()) if path.suffix in (".md", ".png", ".csv")}  # fmt: skip
    return ELSEWHERE | listed


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add the files from elsewhere and the generated pages. MkDocs calls this before it reads any page."""
    for path, place in elsewhere().items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))
    for place, text in reference.pages().items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let the links of a page lead to pages of the site. MkDocs calls this for every page."""
    return relinked(markdown, page.file.src_uri)


def relinked(text: str, place: str) -> str:
    """Return the text of the page at `place` on the site, with links to files in the repository as links on the site."""
    places = elsewhere()
    origin = {site: path for path, site in places.items()}.get(place, f"docs/{place}")

    def target(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), found[1]))
        site = places.get(path, path.removeprefix("docs/") if path.startswith("docs/") else None)
        return found[1] if site is None else posixpath.relpath(site, posixpath.dirname(place) or ".")

    parts = CODE.split(text)
    return "".join(part if n % 2 else LINK.sub(target, part) for n, part in enumerate(parts))
