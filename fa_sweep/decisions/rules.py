"""The rules by which a sequential sweep may stop. A rule is stated before the first run.

`looks` applies a rule to the runs so far.
"""

from dataclasses import dataclass

from fa_sweep.checks import one_of, positive
from fa_sweep.decisions import ALPHA
from fa_sweep.errors import ConfigError

KINDS = WIDTH, DIFFERENCE, EQUIVALENCE, DECIDED = ("width", "difference", "equivalence", "decided")
OUTCOMES = FRACTION, TIME, FINAL = ("fraction", "time", "final")


@dataclass(frozen=True)
class Rule:
    """When a sequential sweep may stop.

    Attributes:
        kind: What has to be true for the sweep to stop.
            "width": the interval of every group is narrower than `width`.
            "difference": the interval of every comparison excludes "no difference".
            "equivalence": the interval of every comparison lies between -`margin` and `margin`.
            "decided": one of the last two is true of every comparison.
        outcome: What is measured.
            "fraction": whether a run had an event, 0 or 1.
            "time": the restricted time to an event as a fraction of the horizon, between 0 and 1.
            "final": a final metric of any size. Only its order within a pair counts, and the only kind is "difference".
        margin: The smallest difference that matters. Needed by "equivalence" and "decided".
        width: The width to get below, from end to end. Needed by "width".
        alpha: The largest allowed probability of any error among all groups, or among all comparisons.

    Raises:
        ConfigError: A field has an impossible value, lacks the value that the kind needs, or has one that the kind ignores.
    """

    kind: str
    outcome: str
    margin: float | None = None
    width: float | None = None
    alpha: float = ALPHA

    def __post_init__(self) -> None:
        one_of("the rule's kind", self.kind, KINDS)
        one_of("the rule's outcome", self.outcome, OUTCOMES)
        if self.outcome == FINAL and self.kind != DIFFERENCE:
            raise ConfigError(
                f"the rule's kind is {self.kind!r}; a final metric has no bounds, so its rule can only be 'difference'; "
                "choose that, or the outcome fraction or time"
            )
        self._check("margin", self.margin, needed=self.kind in (EQUIVALENCE, DECIDED))
        self._check("width", self.width, needed=self.kind == WIDTH)
        if not 0 < self.alpha < 1:
            raise ConfigError(f"the rule's alpha is {self.alpha}; it must lie between 0 and 1, such as 0.05")

    def _check(self, name: str, value: float | None, *, needed: bool) -> None:
        if not needed:
            if value is not None:
                raise ConfigError(f"the rule's {name} is {value}, but the kind {self.kind!r} does not use it; leave it out")
        elif value is None:
            raise ConfigError(f"the rule's {name} is not set; the kind {self.kind!r} needs it, for example 0.1")
        else:
            positive(f"the rule's {name}", value)
            if value >= 1:
                raise ConfigError(f"the rule's {name} is {value}; it must be below 1, or it says nothing")

    @property
    def about_groups(self) -> bool:
        """Whether the rule decides about groups. Otherwise it decides about comparisons."""
        return self.kind == WIDTH

    @property
    def null(self) -> float:
        """The value of a comparison's estimate that means "no difference": 0, or 1/2 for the outcome "final"."""
        return 0.5 if self.outcome == FINAL else 0.0

    def words(self) -> str:
        """Return the condition for stopping as a clause."""
        noun = {FRACTION: "fraction", TIME: "restricted mean time, as a fraction of the horizon,"}.get(self.outcome, "")
        excludes = f"excludes {'1/2' if self.outcome == FINAL else '0'}"
        within = f"lies between -{self.margin} and {self.margin}"
        every = "the interval of every comparison"
        return {
            WIDTH: f"every group's interval of its {noun} is narrower than {self.width}",
            DIFFERENCE: f"{every} {excludes}",
            EQUIVALENCE: f"{every} {within}",
            DECIDED: f"{every} {excludes} or {within}",
        }[self.kind]

    def family(self, groups: int, comparisons: int) -> str:
        """Return a sentence about what the level refers to, for so many groups and comparisons."""
        count, noun = (groups, "group") if self.about_groups else (comparisons, "comparison")
        level = f"{100 * (1 - self.alpha):g} %"
        if count < 2:
            return f"The {level} interval of the {noun} holds at all numbers of seeds."
        each = f"{100 * (1 - self.alpha / count):.4g} %"
        return (
            f"The {level} confidence holds for the intervals of all {count} {noun}s together, at all numbers of seeds; each of "
            f"them is at {each} (Bonferroni's correction)."
        )
