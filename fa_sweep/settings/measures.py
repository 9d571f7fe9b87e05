"""The outcomes that groups of runs are compared by: how they are written, and what they are called in sentences.

An outcome is a text: "converged", or a metric and how it is read from a run's history, such as "accuracy:area".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fa_sweep.checks import did_you_mean, shown
from fa_sweep.errors import ConfigError

CONVERGED = "converged"
SUCCESS = "success"
READINGS = ("end", "best", "area")
SPELLING = f'write "{CONVERGED}", or METRIC:end, METRIC:best or METRIC:area'


@dataclass(frozen=True)
class Measure:
    """One number of each run: a metric, read from the run's history in one of three ways.

    Attributes:
        metric: The name of a metric, such as "accuracy". "success" stands for the metric of each run's success criterion.
        reading: "end" (the value at the last evaluation), "best" (the best value over all evaluations), or "area" (the area
            under the curve over the steps, divided by the span of the steps: the mean over the training).
    """

    metric: str
    reading: str

    def __str__(self) -> str:
        return f"{self.metric}:{self.reading}"

    @property
    def words(self) -> str:
        """The measure in words, such as "final accuracy", "best loss" or "mean accuracy over training"."""
        name = "success metric" if self.metric == SUCCESS else in_words(self.metric)
        return (
            f"mean {name} over training" if self.reading == "area" else f"{'final' if self.reading == 'end' else 'best'} {name}"
        )

    @property
    def file_name(self) -> str:
        """The measure in names of files, such as "final_accuracy"."""
        return self.words.replace("(", "").replace(")", "").replace(" ", "_").replace("/", "_")


def in_words(metric: str) -> str:
    """Return the name of a metric in words, such as "normalised squared error" or "gradient angle (degrees)"."""
    kind, _, where = metric.partition("/")
    where = where.replace("_", " ")
    if kind == "angle_deg":
        name, _, layer = where.partition(" layer ")
        return f"{name} angle{f' of layer {layer}' if layer else ''} (degrees)"
    return " ".join(filter(None, (kind.replace("_", " "), f"({where})" if where else "")))


def direction(metric: str) -> int:
    """Return 1 if a higher value of a metric is better, -1 if a lower one is, and 0 if neither can be said of it."""
    if "accuracy" in metric:
        return 1
    return -1 if "loss" in metric or "error" in metric else 0


def is_validation(metric: str) -> bool:
    """Whether a metric is measured on validation data, which are not the data of the other evaluations."""
    return "validation" in metric


def read_outcome(field: str, text: object) -> Measure | None:
    """Read an outcome as a user writes it. A metric alone is its value at the end.

    Args:
        field: The setting or option that it was given for, for the message.
        text: The outcome, such as "accuracy:area".

    Returns:
        The measure; None for "converged".

    Raises:
        ConfigError: The text is not an outcome. Whether a run has the metric is checked by `require_metrics`.
    """
    if text == CONVERGED:
        return None
    if not isinstance(text, str) or not text.partition(":")[0].strip() or text != text.strip():
        raise ConfigError(f"{field} is {shown(text)}; {SPELLING}")
    metric, colon, reading = text.partition(":")
    if colon and reading not in READINGS:
        raise ConfigError(f"{field} is {shown(text)}; after the colon stands one of {', '.join(READINGS)}")
    if metric == CONVERGED:
        raise ConfigError(f'{field} is {shown(text)}; write "{CONVERGED}" without a colon')
    return Measure(metric, reading or "end")


def read_outcomes(field: str, texts: Sequence[object]) -> list[str]:
    """Read several outcomes. Returns them in their full spelling, each once.

    Raises:
        ConfigError: A text is not an outcome.
    """
    return list(dict.fromkeys(str(read_outcome(field, text) or CONVERGED) for text in texts))


def require_metrics(field: str, texts: Iterable[str], known: Iterable[str]) -> None:
    """Raise ConfigError if an outcome has a metric that is not among the known ones, or the best value of one that has none.

    Args:
        field: The setting or option that the outcomes were given for.
        texts: The outcomes.
        known: The metrics that the runs record.
    """
    names = list(dict.fromkeys([CONVERGED, SUCCESS, *known]))
    for text in texts:
        measure = read_outcome(field, text)
        if measure is not None and measure.metric not in names:
            meant = did_you_mean(measure.metric, names)
            raise ConfigError(f"{field} is {text!r}; {meant}these runs have {', '.join(names)}")
        if measure is not None and measure.reading == "best" and measure.metric != SUCCESS and not direction(measure.metric):
            other = f"choose {measure.metric}:end or {measure.metric}:area"
            raise ConfigError(f"{field} is {text!r}; only accuracies, losses and errors have a best value; {other}")
