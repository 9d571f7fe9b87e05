"""Settings of the designs of sweeps that take decisions: tuning, and adding seeds until something is decided."""

from dataclasses import dataclass

from fa_sweep.checks import at_least, one_of
from fa_sweep.errors import ConfigError

DESIGNS = GRID, TUNE, DECIDE = ("grid", "tune", "decide")
SEARCHES = ("grid", "optuna")


@dataclass
class TuneConfig:
    """Settings of tuning: which settings each group chooses, on which seeds, and by what.

    Args:
        per: the factors whose every combination of levels chooses its own settings. All other factors of the sweep are chosen.
        by: what is to be best. "converged" is the fraction of runs that converge; ties are decided by the restricted mean time
            to convergence, and then by the median of the final success metric. A metric stands for the median of its final
            values.
        seeds: the number of tuning seeds.
        first_seed: the first of the tuning seeds, which are consecutive. None of them may be a seed of the sweep.
        widen: how often a range is widened by one value if a choice lies at its edge.
        search: "grid" tries every combination; "optuna" tries `trials` combinations per group, and needs the extra `optuna`.
        trials: the number of combinations that each group tries if the search is "optuna".
        batch: how many of these are tried at a time, together with all seeds.

    Raises:
        ConfigError: a number is out of range, the search is unknown, or `per` is empty.
    """

    per: list[str]
    by: str
    seeds: int
    first_seed: int
    widen: int
    search: str
    trials: int
    batch: int

    def __post_init__(self) -> None:
        for name in ("seeds", "trials", "batch"):
            at_least(f"tune.{name}", getattr(self, name), 1)
        at_least("tune.first_seed", self.first_seed, 0)
        at_least("tune.widen", self.widen, 0)
        one_of("tune.search", self.search, SEARCHES)
        if self.first_seed + self.seeds > 2**63:
            raise ConfigError(f"tune.first_seed is {self.first_seed}; the last tuning seed must be below 2^63")
        if not self.per:
            raise ConfigError("tune.per is []; name at least one factor, such as [feedback]")
        if not self.by.strip():
            raise ConfigError("tune.by is empty; give it converged, or a metric such as accuracy")


@dataclass
class DecideConfig:
    """Settings of a sweep that adds seeds until a rule allows it to stop. The rule itself checks that they fit together.

    Args:
        rule: "difference", "equivalence", "decided" (either of the two) or "width"; see `fa_sweep.decisions.rules`.
        outcome: what is decided about: the fraction of runs that "converged", "reached" success at some evaluation, or were
            successful "at_end"; the restricted "time" to convergence; or a metric, for its final values.
        margin: the smallest difference that matters, for the rules "equivalence" and "decided". Fractions: 0.1 is 10 points;
            times: the fraction of the horizon.
        width: the width that the interval of each group has to get below, for the rule "width".
        round: the number of seeds between two looks. The largest number of seeds is that of the sweep.
        reference: the group that all others are compared with; null chooses one for each group, as in a report.

    Raises:
        ConfigError: a number is out of range, or the outcome is empty.
    """

    rule: str
    outcome: str
    margin: float | None
    width: float | None
    round: int
    reference: str | None

    def __post_init__(self) -> None:
        at_least("decide.round", self.round, 1)
        one_of("decide.rule", self.rule, ("difference", "equivalence", "decided", "width"))
        if not self.outcome.strip():
            raise ConfigError("decide.outcome is empty; give it converged, or a metric such as accuracy")
