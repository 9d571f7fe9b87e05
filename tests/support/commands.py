"""Command lines that are over at once."""


def short(*arguments: str) -> list[str]:
    """Overrides of a sweep that is over at once: 201 steps, 5 evaluations, no report."""
    return ["-m", "train.steps=201", "train.eval_every=50", "train.hold=2", "report=false", *arguments]
