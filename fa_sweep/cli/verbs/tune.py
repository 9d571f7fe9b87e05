"""`tune`: choose settings for each group on tuning seeds, then compare the choices on fresh seeds."""

from fa_sweep.cli.verbs.common import design_command

command = design_command(
    "tune",
    """Choose settings for each group on seeds of their own, then compare the choices on fresh seeds, in one report.

\b
python -m fa_sweep tune feedback=symmetric,random \\
    'train.lr=logspace(0.001,0.1,5)' 'seed=range(50)'

The words are those of a sweep. Everything that is swept is chosen, apart from the seed and the factors in tune.per.

\b
tune.per=[feedback]      whose every combination chooses its own settings
tune.by=converged        what is best: converged, or a metric (its median)
tune.seeds=20            number of tuning seeds, from tune.first_seed on
tune.widen=3             widen a range at whose end a choice lies
tune.search=optuna       try tune.trials combinations instead of all""",
)
