"""`decide`: add seeds to a sweep until a rule allows it to stop."""

from fa_sweep.cli.verbs.common import design_command

command = design_command(
    "decide",
    """Add seeds, the same to all groups, until a rule allows the sweep to stop. The
intervals and p values hold although the results decide when that is.

\b
python -m fa_sweep decide feedback=symmetric,random 'seed=range(500)'

The words are those of a sweep; its seeds are the most that it takes.

\b
decide.rule=difference     every comparison's interval excludes 0
decide.rule=equivalence    ... lies within +-decide.margin
decide.rule=decided        ... one of the two
decide.rule=width          every group's interval is below decide.width
decide.outcome=converged   or reached, at_end, time, or a metric
decide.round=10            seeds between two looks""",
)
