"""Shorten the names of groups for tables, sentences and figures. What all names share is left out, and a note says it once."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fa_sweep.report.frames import Frames

LONGEST = 32  # characters of a level that is shown whole
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_SEPARATORS = "/\\_-,.:;= "


@dataclass(frozen=True)
class Names:
    """Short labels for the groups of a sweep.

    Attributes:
        labels: The label of each group, by its full name.
        levels: The short level of each factor of each group.
        notes: Sentences that say what the labels leave out; empty if they leave out nothing.
    """

    labels: dict[str, str]
    levels: dict[str, dict[str, str]]
    notes: list[str] = field(default_factory=list)

    def pair(self, group: str, reference: str) -> tuple[str, str, str]:
        """Return labels of two groups that say only in what they differ, and a label of what both have in common."""
        ours, theirs = self.levels[group], self.levels[reference]
        differ = [name for name in ours if ours[name] != theirs.get(name)]
        if not differ or ours.keys() != theirs.keys() or self.labels[group] != label_of(ours):
            return self.labels[group], self.labels[reference], ""
        common = {name: level for name, level in ours.items() if name not in differ}
        mine, other = (label_of({name: levels[name] for name in differ}) for levels in (ours, theirs))
        return mine, other, label_of(common)

    def shorten(self, text: str) -> str:
        """Replace each full name in a text by its label."""
        changed = [full for full, label in self.labels.items() if full != label]
        if not changed:
            return text
        longest_first = sorted(changed, key=len, reverse=True)  # a name may begin another one
        return re.sub("|".join(map(re.escape, longest_first)), lambda found: self.labels[found[0]], text)


def label_of(levels: Mapping[str, str]) -> str:
    """Name levels as the name of a group does: the feedback mode by its level alone, and others as "name=level"."""
    first = [levels["feedback"]] if "feedback" in levels else []
    label = ", ".join([*first, *(f"{name}={level}" for name, level in levels.items() if name != "feedback")])
    return " ".join(label.split())


def names_of(frames: Frames) -> Names:
    """Return a label for each group of a sweep. Long levels of a factor lose what they have in common."""
    jobs = {job.group: job for job in frames.jobs}
    short: dict[str, dict[str, str]] = {}
    notes: list[str] = []
    for factor in frames.factors:
        found = dict.fromkeys(level_text(job.factors[factor]) for job in jobs.values() if factor in job.factors)
        short[factor], said = shortened(list(found))
        notes += [f"In the names of groups, {sentence} of {factor}." for sentence in said]
    levels = {
        group: {name: short[name].get(level_text(value), level_text(value)) for name, value in job.factors.items()}
        for group, job in jobs.items()
    }
    labels = {group: label_of(levels[group]) or job.run.feedback.mode for group, job in jobs.items()}
    if len(set(labels.values())) < len(labels):
        labels = {group: group for group in jobs}
    return Names(labels, levels, notes)


def level_text(value: Any) -> str:
    """Return a level of a factor as text, as it stands in the names of groups."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def shortened(levels: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Shorten the levels of a factor if any of them is long.

    Args:
        levels: The distinct levels as text.

    Returns:
        The short level for each level that changes, and what was left out, in words. The short levels are distinct.
    """
    if not levels or max(map(len, levels)) <= LONGEST:
        return {}, []
    prefix = _beginning(levels) if len(levels) > 1 else levels[0][: levels[0].rfind("/") + 1]
    suffix = _beginning([level[::-1] for level in levels])[::-1] if len(levels) > 1 else ""
    folder = prefix[: prefix.rfind("/") + 1]
    start = prefix[: max(map(prefix.rfind, _SEPARATORS)) + 1]
    first = min((place for place in map(suffix.find, _SEPARATORS) if place >= 0), default=len(suffix))
    for before, after in ((folder, ""), (start, ""), (start, suffix[first:])):
        found = {level: _without(level, before, after) for level in levels}
        if max(map(len, found.values())) <= LONGEST and _fits(levels, before, after):
            break
    if not _fits(levels, before, after):
        before, after = folder if _fits(levels, folder, "") else "", ""
        found = {level: _without(level, before, after) for level in levels}
    said = [f'"{ELLIPSIS}" stands for "{before}" at the beginning'] if before else []
    said += [f'"{ELLIPSIS}" stands for "{after}" at the end'] if after else []
    cut = {level: _cut(text) for level, text in found.items()}
    if len(set(cut.values())) == len(cut) and cut != found:
        found, said = cut, [*said, f'"{ELLIPSIS}" stands for the middle of long levels (tables/groups.csv has them whole)']
    return found, said


def _beginning(texts: Sequence[str]) -> str:
    """Return the beginning that all texts have in common."""
    one, other = min(texts), max(texts)
    differ = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return one[: next(differ, len(one))]


def _fits(levels: Sequence[str], before: str, after: str) -> bool:
    return all(len(level) > len(before) + len(after) for level in levels)


def _without(level: str, before: str, after: str) -> str:
    middle = level[len(before) : len(level) - len(after)]
    return f"{ELLIPSIS if before else ''}{middle}{ELLIPSIS if after else ''}"


def _cut(text: str, most: int = 2 * LONGEST) -> str:
    return text if len(text) <= most else f"{text[: most // 2 - 1]}{ELLIPSIS}{text[-most // 2 :]}"


def fold(text: str, width: int) -> str:
    """Fold a text into lines of at most `width` characters, after commas and other separators where possible."""
    lines = [""]
    for word in _pieces(text, width):
        if lines[-1] and len(lines[-1]) + len(word.rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return "\n".join(line.rstrip() for line in lines)


# Where a line may end, from the best places to the worst.
_ENDS = (r"(?<=, )", r"(?<= )(?=\()", r"(?<= )", r"(?<=[/_\-.=:\[\],])")


def _pieces(text: str, width: int, ends: Sequence[str] = _ENDS) -> list[str]:
    """Return parts of a text between which a line may end. Parts that are too long are split at worse places."""
    if len(text.rstrip()) <= width:
        return [text]
    if not ends:
        return [text[k : k + width] for k in range(0, len(text), width)]
    return [piece for part in re.split(ends[0], text) for piece in _pieces(part, width, ends[1:]) if piece]


def listed(parts: Sequence[Any]) -> str:
    """Join parts into a text such as "a, b and c"."""
    texts = [str(part) for part in parts]
    return " and ".join(part for part in (", ".join(texts[:-1]), texts[-1]) if part)
