"""What the record of a sweep says of its design: a grid, the first or the second stage of tuning, or a sequential sweep."""

from collections.abc import Mapping
from typing import Any

from fa_sweep.errors import ConfigError
from fa_sweep.settings.designs import DECIDE, TUNE

TUNING, FRESH = "tuning", "fresh"


def is_sequential(design: Mapping[str, Any]) -> bool:
    """Whether the results of a sweep decided how many seeds it has."""
    return design.get("kind") == DECIDE


def is_tuned(design: Mapping[str, Any]) -> bool:
    """Whether the settings of a sweep's groups were chosen on other seeds."""
    return design.get("kind") == TUNE and design.get("stage") == FRESH


def is_first_stage(design: Mapping[str, Any]) -> bool:
    """Whether a sweep is the first stage of tuning, which has only the tuning seeds."""
    return design.get("kind") == TUNE and design.get("stage") == TUNING


def check_together(designs: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse to put a tuned sweep together with its own tuning stage.

    Args:
        designs: The design in the record of each sweep, by the sweep's id.

    Raises:
        ConfigError: The runs that chose the settings would count in the test of the choice.
    """
    for sweep, design in designs.items():
        stage = design.get("tuning")
        if is_tuned(design) and stage in designs:
            raise ConfigError(
                f"{stage} is the tuning stage of {sweep}; together, the runs that chose the settings would count in their "
                "test: look at them one by one"
            )


def in_words(design: Mapping[str, Any]) -> str:
    """Return what a design is in a few words; empty for a grid."""
    if is_sequential(design):
        about = f"{design.get('rule')} in {design.get('outcome')}"
        return f"sequential: {about}, {design.get('round')} seeds at a time, at most {design.get('most')}"
    if is_first_stage(design):
        return "tuning stage"
    return f"tuned, on the seeds of {design.get('tuning')}" if is_tuned(design) else ""


def chosen_on_other_seeds(design: Mapping[str, Any]) -> list[str]:
    """Return the factors whose levels each group of a tuned sweep chose for itself; empty for any other sweep."""
    return [str(name) for name in design.get("chosen", [])] if is_tuned(design) else []
