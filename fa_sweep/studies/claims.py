"""Claims of a findings page: what was known before, the quantity that tests a claim, and the rule that gives the verdict."""

import math
import re
from dataclasses import dataclass
from enum import StrEnum

CONFIRMED, REFUTED, NOT_DECIDED = "confirmed", "refuted", "not decided"

# A published number has to name its place in the paper, so that readers can check it.
_PLACE = re.compile(r"\b(fig|figure|table|section|sec|eq|equation|theorem|p)\b\.?", re.IGNORECASE)


class Kind(StrEnum):
    """The kind of source from which knowledge about a claim comes."""

    PUBLISHED = "published"
    INDEPENDENT = "an independent implementation"
    EXPECTED = "expected"
    NONE = "none"


@dataclass(frozen=True)
class Known:
    """What was known about a claim's quantity before this study.

    Make one with `published`, `independent` or `expected`, or use NOTHING if nothing was known.
    """

    kind: Kind
    value: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if (self.kind is Kind.NONE) == bool(self.value):
            raise ValueError(f"known is {self.kind.value!r} with the value {self.value!r}; only `none` goes without a value")
        if self.kind is Kind.PUBLISHED and not _PLACE.search(self.source):
            raise ValueError(f"the source is {self.source!r}; a published number needs its paper and figure, table or section")
        if self.kind is Kind.INDEPENDENT and not self.source:
            raise ValueError("an independent implementation needs a source that says which one")

    def __str__(self) -> str:
        if self.kind is Kind.NONE:
            return "-"
        source = f" ({self.source})" if self.source else ""
        return f"{self.kind.value}: {self.value}{source}"


NOTHING = Known(Kind.NONE)


def published(value: str, source: str) -> Known:
    """Return a published number for exactly the quantity that the page measures.

    Args:
        value: The number, as text.
        source: The paper, with the figure, table or section.

    Raises:
        ValueError: If the source names no place in the paper.
    """
    return Known(Kind.PUBLISHED, value, source)


def independent(value: str, source: str) -> Known:
    """Return the number that another implementation gives for exactly the quantity that the page measures."""
    return Known(Kind.INDEPENDENT, value, source)


def expected(value: str, source: str = "") -> Known:
    """Return an expectation that gives no number for the quantity, such as a statement, a theorem or a curve in a figure."""
    return Known(Kind.EXPECTED, value, source)


@dataclass(frozen=True)
class Region:
    """The region in which a quantity has to lie for its claim to hold: strictly between `low` and `high`."""

    low: float = -math.inf
    high: float = math.inf
    form: str = "plain"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"the region is {self.low} to {self.high}; its low end must be below its high end")

    def __str__(self) -> str:
        low, high = (shown(bound, self.form) if bound else "0" for bound in (self.low, self.high))
        if math.isinf(self.high):
            return f"above {low}"
        return f"below {high}" if math.isinf(self.low) else f"between {low} and {high}"


def above(low: float, form: str = "plain") -> Region:
    """Return the region above a bound."""
    return Region(low=low, form=form)


def below(high: float, form: str = "plain") -> Region:
    """Return the region below a bound."""
    return Region(high=high, form=form)


def decide(low: float, high: float, region: Region) -> str:
    """Decide whether a quantity lies in a region, given its 95 % interval. All verdicts of all studies come from this rule.

    Args:
        low: The lower end of the interval; NaN if there is no interval.
        high: The upper end.
        region: Where the quantity has to lie.

    Returns:
        CONFIRMED if the whole interval lies inside the region, REFUTED if the whole interval lies on one side of the region,
        and NOT_DECIDED otherwise, also if there is no interval.
    """
    if math.isnan(low) or math.isnan(high):
        return NOT_DECIDED
    if region.low < low and high < region.high:
        return CONFIRMED
    if high <= region.low or low >= region.high:
        return REFUTED
    return NOT_DECIDED


@dataclass(frozen=True)
class Estimate:
    """An estimate of a quantity with its 95 % interval.

    Attributes:
        quantity: What is estimated, in words.
        value: The estimate.
        low: The lower end of the interval; NaN if there is none.
        high: The upper end.
        note: What the estimate is based on: counts, the number of seeds, or the range of the values if they are few.
        form: How the numbers are written, see `shown`.
    """

    quantity: str
    value: float
    low: float
    high: float
    note: str
    form: str = "plain"

    def __str__(self) -> str:
        low, high = shown(self.low, self.form), shown(self.high, self.form)
        interval = "no interval" if math.isnan(self.low) or math.isnan(self.high) else f"95 % CI {low} to {high}"
        return f"{shown(self.value, self.form)} ({interval}; {self.note})"


@dataclass(frozen=True)
class Check:
    """An estimate of a quantity, and the region in which the quantity has to lie."""

    estimate: Estimate
    region: Region

    @property
    def verdict(self) -> str:
        """The verdict of `decide` on this estimate."""
        return decide(self.estimate.low, self.estimate.high, self.region)


@dataclass(frozen=True)
class Claim:
    """A claim, what was known before, and the checks that must all hold. The verdict follows from the checks alone."""

    text: str
    known: Known
    checks: tuple[Check, ...]

    def __post_init__(self) -> None:
        if not self.checks:
            raise ValueError(f"the claim {self.text!r} has no check")

    @property
    def verdict(self) -> str:
        """Refuted if any check is refuted, confirmed if all checks are confirmed, otherwise not decided."""
        found = {check.verdict for check in self.checks}
        return REFUTED if REFUTED in found else CONFIRMED if found == {CONFIRMED} else NOT_DECIDED

    @property
    def tested(self) -> str:
        """The quantities that are checked, and the regions in which they have to lie, in words."""
        return "; ".join(f"{check.estimate.quantity} is {check.region}" for check in self.checks)

    @property
    def found(self) -> str:
        """The estimates with their intervals."""
        return "; ".join(str(check.estimate) for check in self.checks)


def claim(text: str, known: Known, estimate: Estimate, region: Region) -> Claim:
    """Return a claim with one check."""
    return Claim(text, known, (Check(estimate, region),))


def shown(value: float, form: str) -> str:
    """Write a number as text.

    Args:
        value: The number; NaN is written as "undefined".
        form: "plain", "signed" (with a sign), or "steps" (infinity is written as "not reached"). For fractions also "percent"
            and "points" (percentage points with a sign).
    """
    if math.isnan(value):
        return "undefined"
    if form == "steps":
        return "not reached" if math.isinf(value) else f"{value:,.0f}"
    if form == "percent":
        return f"{100 * value:.1f}".removesuffix(".0") + " %"
    if form == "points":
        return f"{100 * value:+.1f}"
    return f"{value:+.3g}" if form == "signed" else f"{value:.3g}"
