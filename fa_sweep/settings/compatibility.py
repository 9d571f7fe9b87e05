"""Refuses settings that are valid one by one but contradict each other, before anything is trained."""

from dataclasses import replace
from importlib.util import find_spec

from fa_sweep.checks import WHOLE_LIMIT, at_most, one_of
from fa_sweep.errors import ConfigError
from fa_sweep.feedback import MODES, FeedbackMode
from fa_sweep.numerics.layout import LanesLast
from fa_sweep.numerics.losses import LOSSES
from fa_sweep.settings.schema import AppConfig
from fa_sweep.settings.structure import layout_for
from fa_sweep.tasks import METRICS, Task, task_of


def completed(app: AppConfig) -> AppConfig:
    """Check that all settings fit together, and compute `train.steps` from `train.epochs` if that is given.

    Args:
        app: settings whose types and ranges are checked already.

    Returns:
        The settings. `train.steps` follows from `train.epochs` if that is given, and is unchanged otherwise.

    Raises:
        ConfigError: two settings contradict each other, or the task's examples cannot be made.
    """
    task = task_of(app)
    _check_targets(app, task)
    _check_sampling(app, task)
    _check_engine(app)
    if app.train.epochs is not None and task.training is not None:
        steps = app.train.epochs * (len(task.training.inputs) // app.train.batch_size)
        at_most("train.epochs", app.train.epochs, WHOLE_LIMIT // max(1, steps // app.train.epochs) - 1)
        app = replace(app, train=replace(app.train, steps=steps))  # a copy, because jobs of a sweep share groups
    if isinstance(app.train.eval_at, list) and max(app.train.eval_at, default=0) >= app.train.steps:
        last = app.train.steps - 1
        raise ConfigError(
            f"train.eval_at has {max(app.train.eval_at)}; with train.steps={app.train.steps} the last step is {last}"
        )
    return app


# The compiled engine offers only what it can compute bit for bit as NumPy does. Functions such as tanh and exp are left out,
# because their last bits differ between libraries.
COMPILED = {"activation": ("relu", "leaky_relu", "linear"), "loss": ("absolute", "squared"), "optimiser": ("sgd",)}


def _check_engine(app: AppConfig) -> None:
    if app.engine == "numpy":
        return
    if find_spec("numba") is None:
        raise ConfigError("engine is 'numba', which is not installed: pip install 'fa-sweep[numba]'")
    stays = "choose engine=numpy"
    for group, name in (("model", "activation"), ("train", "loss"), ("train", "optimiser")):
        value = getattr(getattr(app, group), name)
        if value not in COMPILED[name]:
            known = ", ".join(COMPILED[name])
            raise ConfigError(
                f"{group}.{name} is '{value}'; engine=numba supports {known}: choose one of them, or engine=numpy"
            )
    for name in ("weight_decay", "output_weight_decay"):
        if getattr(app.train, name):
            raise ConfigError(f"train.{name} is {getattr(app.train, name)}; engine=numba does not support it: {stays}")
    if MODES[app.feedback.mode].ahead is FeedbackMode.ahead:
        raise ConfigError(f"feedback.mode is '{app.feedback.mode}'; engine=numba does not support it: {stays}")
    if not isinstance(layout_for(app), LanesLast):
        raise ConfigError(f"model.hidden is {app.model.hidden}; engine=numba does not support networks this wide: {stays}")


def _check_targets(app: AppConfig, task: Task) -> None:
    name, targets = app.task.name, task.targets.replace("_", "-")
    if LOSSES[app.train.loss].one_hot and task.targets != "one_hot":
        others = ", ".join(loss for loss, known in LOSSES.items() if not known.one_hot)
        raise ConfigError(
            f"train.loss is '{app.train.loss}'; it needs one-hot targets, those of {name} are {targets}; choose {others}"
        )
    if MODES[app.feedback.mode].one_hot and task.targets != "one_hot":
        raise ConfigError(
            f"feedback.mode is '{app.feedback.mode}'; it needs one-hot targets, those of {name} are {targets}; "
            "choose another mode or task"
        )
    known = ("loss", *METRICS[task.targets])
    if app.task.success.metric not in known:
        one_of(f"task.success.metric (targets of {name} are {targets})", app.task.success.metric, known)


def _check_sampling(app: AppConfig, task: Task) -> None:
    train, name = app.train, app.task.name
    if task.training is None:
        if train.sampling != "fresh":
            raise ConfigError(f"train.sampling is '{train.sampling}'; {name} draws new examples at every step: choose fresh")
        if train.epochs is not None:
            raise ConfigError(f"train.epochs is {train.epochs}; {name} never runs out of examples: give train.steps instead")
        return
    if train.epochs is not None and train.sampling == "with_replacement":
        raise ConfigError(
            f"train.epochs is {train.epochs}; there are no epochs if examples are drawn with replacement: "
            "choose train.sampling=permutation, or train.epochs=null and train.steps"
        )
    if train.sampling == "fresh":
        raise ConfigError(
            f"train.sampling is 'fresh'; {name} has a fixed set: choose with_replacement, permutation or in_order"
        )
    examples = len(task.training.inputs)
    if train.batch_size > examples and (train.sampling == "permutation" or train.epochs is not None):
        raise ConfigError(f"train.batch_size is {train.batch_size}; {name} has {examples} examples, so give at most that")
