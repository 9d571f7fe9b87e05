"""The MLflow experiments among which an import divides its runs.

MLflow's page of an experiment loads a hundred runs at a time, the newest first. If the runs of a sweep of a thousand runs stood
beside the sweep, they would hide all other sweeps. Each of these experiments is therefore a place for one kind of run.
"""

from fa_sweep.tracking.limits import EXPERIMENT_NAME, short

SWEEPS = "sweeps"  # one run per sweep, and below it one run per group
RUNS = "runs"  # every trained run once
COPIES = "copies"  # runs that are in RUNS already: a later sweep has reused them or trained them again
PLACES = (SWEEPS, RUNS, COPIES)


def experiment_name(experiment: str, place: str) -> str:
    """Return the name of the MLflow experiment for a place.

    Args:
        experiment: The setting tracking.experiment, which is the name of the experiment of sweeps.
        place: One of `PLACES`.
    """
    return experiment if place == SWEEPS else short(f"{experiment} {place}", EXPERIMENT_NAME)


def experiment_note(experiment: str, place: str) -> str:
    """Return the description of the experiment for a place, in Markdown.

    Args:
        experiment: The setting tracking.experiment.
        place: One of `PLACES`.
    """
    runs = f"**{experiment_name(experiment, RUNS)}**"
    notes = {
        SWEEPS: f"One row per sweep, and below it one row per group with the group's curves. The single runs are in {runs}.",
        RUNS: f"Every trained run, once. The sweeps are in **{experiment}**.",
        COPIES: f"Runs that are in {runs} already. A later sweep has reused them or trained them again, and lists them here.",
    }
    return notes[place]
