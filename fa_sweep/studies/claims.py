"""Claims of a findings page: what was known, the quantity that tests the claim, and the one rule that gives the verdict."""

import math
import re
from dataclasses import dataclass
from enum import StrEnum

CONFIRMED, REFUTED, NOT_DECIDED = "confirmed", "refuted", "not decided"

# A published number is traced to a place in the paper, or it is not traced at all.
_PLACE = re.compile(r"\b(fig|figure|table|section|sec|eq|equation|theorem|p)\b\.?", re.IGNORECASE)


class Kind(StrEnum):
    """Where what was known before comes from."""

    PUBLISHED = "published"
    INDEPENDENT = "an independent implementation"
    EXPECTED = "expected"
    NONE = "none"


@dataclass(frozen=True)
class Known:
    """What was known of a claim's quantity before; built by `published`, `independent`, `expected`, or the constant NOTHING."""

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
    """Return a published number of the very quantity that the page measures, with paper and figure, table or section."""
    return Known(Kind.PUBLISHED, value, source)


def independent(value: str, source: str) -> Known:
    """Return what another implementation gives for the very quantity that the page measures."""
    return Known(Kind.INDEPENDENT, value, source)


def expected(value: str, source: str = "") -> Known:
    """Return what somebody expects or says without a number of this quantity: a text, a theorem, a curve in a figure."""
    return Known(Kind.EXPECTED, value, source)


@dataclass(frozen=True)
class Region:
    """Where a quantity has to lie for its claim to hold: strictly between `low` and `high`."""

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
    """Return the verdict on "the quantity lies in the region", given its 95 % interval. Every study's verdicts come from here.

    Confirmed: the whole interval lies inside the region. Refuted: the whole interval lies outside it, on one side. Otherwise,
    and where there is no interval (NaN), it is not decided.
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
    """A quantity's estimate with its 95 % interval (NaN where there is none); `form` says how its numbers are written.

    `note` says what stands behind it: counts, the number of seeds, or the range of too few runs.
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
    """One estimate, and the region in which it has to lie."""

    estimate: Estimate
    region: Region

    @property
    def verdict(self) -> str:
        """The rule's answer."""
        return decide(self.estimate.low, self.estimate.high, self.region)


@dataclass(frozen=True)
class Claim:
    """A claim, what was known, and its checks, every one of which has to hold. Its verdict follows from the checks alone."""

    text: str
    known: Known
    checks: tuple[Check, ...]

    def __post_init__(self) -> None:
        if not self.checks:
            raise ValueError(f"the claim {self.text!r} has no check")

    @property
    def verdict(self) -> str:
        """Confirmed where every test is, refuted where one is, otherwise not decided."""
        found = {check.verdict for check in self.checks}
        return REFUTED if REFUTED in found else CONFIRMED if found == {CONFIRMED} else NOT_DECIDED

    @property
    def tested(self) -> str:
        """The quantities and where they have to lie, in words."""
        return "; ".join(f"{check.estimate.quantity}, lies {check.region}" for check in self.checks)

    @property
    def found(self) -> str:
        """The estimates with their intervals."""
        return "; ".join(str(check.estimate) for check in self.checks)


def claim(text: str, known: Known, estimate: Estimate, region: Region) -> Claim:
    """Return a claim with one check."""
    return Claim(text, known, (Check(estimate, region),))


def shown(value: float, form: str) -> str:
    """Return a number as text: `plain`, `signed`, `percent` and `points` (of a fraction), or `steps`."""
    if math.isnan(value):
        return "undefined"
    if form == "steps":
        return "not reached" if math.isinf(value) else f"{value:,.0f}"
    if form == "percent":
        return f"{100 * value:.1f}".removesuffix(".0") + " %"
    if form == "points":
        return f"{100 * value:+.1f}"
    return f"{value:+.3g}" if form == "signed" else f"{value:.3g}"
