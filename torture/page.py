"""Makes the table of results, and puts it into a Markdown page."""

import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from torture.case import Outcome, Part

BEGIN, END = "<!-- table of `make {}`: begin -->", "<!-- end -->"


def table(parts: Sequence[Part], outcomes: Mapping[str, Sequence[Outcome]], skipped: Mapping[str, int]) -> str:
    """Return the results as a Markdown table with one row per kind of case.

    Args:
        parts: the parts that ran.
        outcomes: the outcomes of each part, by its name.
        skipped: how many tasks of each part were skipped for lack of time, by the part's name.
    """
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
    """Return the line above the table: the date, the commit, the seed, the time and the platform."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    at = f"commit {commit.stdout.strip()}" if commit.returncode == 0 else "an installed program"
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {at}, seed {seed}, {took_s / 60:.1f} of {minutes:g} minutes, "
        f"Python {platform.python_version()}, {platform.system()}:"
    )


def write(text: str, page: Path, target: str = "torture") -> None:
    """Write the table of a `make` target into a page, between the two marks of that target.

    If the page has no such marks, the table and the marks are appended. If there is no page, it is made.
    """
    begin = BEGIN.format(target)
    before, _, rest = page.read_text().partition(begin) if page.exists() else ("", "", "")
    _, _, after = rest.partition(END)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"{before}{begin}\n\n{text}\n\n{END}{after or chr(10)}")
