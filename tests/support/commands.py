"""Command lines of sweeps that finish at once."""


def short(*arguments: str) -> list[str]:
    """Return the arguments of a sweep that finishes at once: 201 steps, 5 evaluations, no report."""
    return ["-m", "train.steps=201", "train.eval_every=50", "train.hold=2", "report=false", *arguments]
