"""Settings that make sense each alone and not together, refused by name before anything is trained."""

from fa_sweep.checks import ConfigError, one_of
from fa_sweep.feedback import MODES
from fa_sweep.losses import LOSSES
from fa_sweep.schema import AppConfig
from fa_sweep.tasks import METRICS, Task, make_task


def completed(app: AppConfig) -> AppConfig:
    """Return settings that go together, `train.steps` set where epochs are given. Raises ConfigError for any that do not."""
    task = make_task(app.task)
    _check_targets(app, task)
    _check_sampling(app, task)
    if app.train.epochs is not None and task.training is not None:
        app.train.steps = app.train.epochs * (len(task.training.inputs) // app.train.batch_size)
    if isinstance(app.train.eval_at, list) and max(app.train.eval_at, default=0) >= app.train.steps:
        last = app.train.steps - 1
        raise ConfigError(
            f"train.eval_at has {max(app.train.eval_at)}; with train.steps={app.train.steps} the last step is {last}"
        )
    return app


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
            raise ConfigError(f"train.epochs is {train.epochs}; {name} draws new examples for ever: give train.steps")
        return
    if train.sampling == "fresh":
        raise ConfigError(
            f"train.sampling is 'fresh'; {name} has a fixed set: choose with_replacement, permutation or in_order"
        )
    examples = len(task.training.inputs)
    if train.batch_size > examples and (train.sampling == "permutation" or train.epochs is not None):
        raise ConfigError(f"train.batch_size is {train.batch_size}; {name} has {examples} examples, so give at most that")
