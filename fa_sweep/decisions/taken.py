"""What the design of a finished sweep decided: the looks of a sequential sweep, and the choices of one that was tuned.

Both follow from the ledger: the sweep's jobs, their records, and the settings in the sweep's record.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from fa_sweep.decisions.choice import Choice, choices, with_edges
from fa_sweep.decisions.course import Course
from fa_sweep.decisions.looks import Look
from fa_sweep.errors import ConfigError
from fa_sweep.settings.designs import DECIDE, TUNE, DecideConfig
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.shards import Record

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


def course_of(design: Mapping[str, Any], jobs: Sequence[Job]) -> Course:
    """Return the course of a sequential sweep.

    Args:
        design: The design in the sweep's record.
        jobs: The sweep's jobs.

    Raises:
        ConfigError: The record does not fit the jobs.
    """
    try:
        settings = DecideConfig(**{each.name: design[each.name] for each in fields(DecideConfig)})
    except (KeyError, TypeError) as error:
        raise ConfigError(f"the record of the sweep has no complete design: {error}; run the sweep's command again") from error
    return Course.of(jobs, settings)


def looks_of(design: Mapping[str, Any], jobs: Sequence[Job], records: Mapping[str, Record]) -> list[Look]:
    """Return all looks of a sequential sweep, up to the last round of which all runs have finished."""
    course = course_of(design, jobs)
    by_seed: dict[int, list[Job]] = {}
    for job in jobs:
        by_seed.setdefault(job.run.seed, []).append(job)
    whole = 0
    while whole < len(course.seeds) and all(job.run_id in records for job in by_seed[course.seeds[whole]]):
        whole += 1
    found: list[Look] = []
    for size in course.sizes():
        if size <= whole:
            found.append(course.look(course.jobs(jobs, size), records, found[-1] if found else None))
    return found


def choices_of(design: Mapping[str, Any], jobs: Sequence[Job], records: Mapping[str, Record]) -> list[Choice]:
    """Return the choices that the tuning stage of a sweep leads to.

    Args:
        design: The design in the record of either stage.
        jobs: The jobs of the tuning stage.
        records: The records of its runs.
    """
    found = choices(jobs, records, [str(name) for name in design["per"]], str(design["by"]))
    ranges = design.get("ranges")
    return found if ranges is None else [with_edges(choice, ranges) for choice in found]
