"""The names of all tags that fa_sweep sets on MLflow runs, and of MLflow's own tags that it sets or reads."""

# What kind of run it is, and which sweep and job it belongs to.
KIND = "fa_sweep.kind"  # "sweep" for the parent of a sweep's runs, "group" for the curves of one group, otherwise absent
SWEEP = "fa_sweep.sweep"
SWEEP_HASH = "fa_sweep.sweep_hash"
PLANNED = "fa_sweep.planned"
GROUPS = "fa_sweep.groups"  # on a parent: how many runs of groups it has; older versions made none
REUSED = "fa_sweep.reused"  # on a parent: how many of its runs an earlier sweep had trained; "true" on each of these runs
RUN_ID = "fa_sweep.run_id"
JOB_ID = "fa_sweep.job_id"  # on the run of a group: a hash of the group's name and of its finished jobs
NUMBER = "fa_sweep.number"
GROUP = "fa_sweep.group"
FACTORS = "fa_sweep.factors"
WIDTHS = "fa_sweep.widths"
TARGETS = "fa_sweep.targets"
PRESET = "fa_sweep.preset"  # on a parent whose sweep ran a preset with its settings unchanged
DESIGN = "fa_sweep.design"  # on a parent: what the design of the sweep decided, as JSON; not set for a grid
OUTCOMES = "fa_sweep.outcomes"  # on a parent whose report compares outcomes that were stated with the sweep, as JSON
MARGIN = "fa_sweep.margin"  # on a parent: the margin of equivalence that was stated with the sweep
NAME = "fa_sweep.name"  # the full name, on a run whose name is too long for MLflow's tables
TASK = "fa_sweep.task"

# How the run ended, and the commands that repeat it.
OUTCOME = "outcome"
ERROR = "error"
COMMAND = "command"
OVERRIDES = "overrides"
REPRODUCE = "reproduce"

# What it was computed with.
GIT_COMMIT = "git_commit"
GIT_DIRTY = "git_dirty"
VERSIONS = "versions"

# The state of the import.
HISTORY = "fa_sweep.history"  # how much of the histories MLflow got: "full", "thin" or "none"
ANEW = "fa_sweep.resume"  # "false" if everything was trained anew, with no earlier runs reused
OVERLONG = "fa_sweep.overlong"  # the names of the values that are too long for MLflow's tables and are in an artifact
COMPLETE = "fa_sweep.complete"  # "true" on a parent that is FINISHED and has all its children
SUPERSEDED = "fa_sweep.superseded"  # the id of the sweep that counts instead: newly trained, or imported at the same time
DUPLICATE = "fa_sweep.duplicate"  # "true" on a run that was created twice because an answer was lost, or replaced, and deleted

# MLflow's own.
PARENT = "mlflow.parentRunId"
RUN_NAME = "mlflow.runName"
USER = "mlflow.user"
SOURCE_NAME = "mlflow.source.name"
SOURCE_TYPE = "mlflow.source.type"
NOTE = "mlflow.note.content"  # the description of a run or of an experiment, in Markdown
