"""The names of all tags that this program gives MLflow runs, and of those of MLflow's own that it sets or reads."""

# What a run is.
KIND = "fa_sweep.kind"  # "sweep" for the parent of a sweep's runs
SWEEP = "fa_sweep.sweep"
SWEEP_HASH = "fa_sweep.sweep_hash"
PLANNED = "fa_sweep.planned"
REUSED = "fa_sweep.reused"  # of a parent how many of its runs, of a run "true"
RUN_ID = "fa_sweep.run_id"
JOB_ID = "fa_sweep.job_id"
NUMBER = "fa_sweep.number"
GROUP = "fa_sweep.group"
FACTORS = "fa_sweep.factors"
WIDTHS = "fa_sweep.widths"
TARGETS = "fa_sweep.targets"
PRESET = "fa_sweep.preset"  # of a parent whose sweep ran a preset as it stands
NAME = "fa_sweep.name"  # the whole name of a run whose name is too long for MLflow's tables
TASK = "fa_sweep.task"

# What became of it, and how to have it again.
OUTCOME = "outcome"
ERROR = "error"
COMMAND = "command"
OVERRIDES = "overrides"
REPRODUCE = "reproduce"

# How the import stands.
HISTORY = "fa_sweep.history"  # how much of the histories MLflow was sent
ANEW = "fa_sweep.resume"  # "false" where everything was trained anew
OVERLONG = "fa_sweep.overlong"  # which values are too long for MLflow's tables and stand in an artifact
COMPLETE = "fa_sweep.complete"  # of a parent that is FINISHED and has all its children
SUPERSEDED = "fa_sweep.superseded"  # the id of the later sweep that trained the same runs anew
DUPLICATE = "fa_sweep.duplicate"  # of a deleted run that was made twice because an answer was lost

# MLflow's own.
PARENT = "mlflow.parentRunId"
RUN_NAME = "mlflow.runName"
USER = "mlflow.user"
SOURCE_NAME = "mlflow.source.name"
SOURCE_TYPE = "mlflow.source.type"
