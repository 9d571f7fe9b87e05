"""The table that a torture ends in, and the page that shows it."""

import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from torture.case import Outcome, Part

BEGIN, END = "<!-- table of `make {}`: begin -->", "<!-- end -->"


def table(parts: Sequence[Part], outcomes: Mapping[str, Sequence[Outcome]], skipped: Mapping[str, int]) -> str:
    """Return the Markdown table: one row per kind of attack."""
    lines = ["| attack | case | cases | failures | what is held |", "| --- | --- | ---: | ---: | --- |"]
    for part in parts:
        for kind, held in part.held.items():
            of_kind = [outcome for outcome in outcomes[part.name] if outcome.kind == kind]
            failed = sum(bool(outcome.problem) for outcome in of_kind)
            lines.append(f"| {part.name} | {kind} | {len(of_kind):,} | {failed:,} | {held} |")
    broken = [outcome.problem for found in outcomes.values() for outcome in found if outcome.kind == "torture"]
    lines += [f"\nThe torture itself failed: {problem}." for problem in broken]
    for name, count in skipped.items():
        if count:
            lines.append(f"\n{count} tasks of `{name}` were not reached in the time given.")
    return "\n".join(lines)


def heading(seed: int, minutes: float, took_s: float) -> str:
    """Return one line: what was attacked, when, how long."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    at = f"commit {commit.stdout.strip()}" if commit.returncode == 0 else "an installed program"
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {at}, seed {seed}, {took_s / 60:.1f} of {minutes:g} minutes, "
        f"Python {platform.python_version()}, {platform.system()}:"
    )


def write(text: str, page: Path, target: str = "torture") -> None:
    """Put the table of a `make` target between its marks of a page; a page without them becomes the table."""
    begin = BEGIN.format(target)
    before, _, rest = page.read_text().partition(begin) if page.exists() else ("", "", "")
    _, _, after = rest.partition(END)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"{before}{begin}\n\n{text}\n\n{END}{after or chr(10)}")
