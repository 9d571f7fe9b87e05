"""Labelled images or other vectors from files: IDX files such as MNIST's, gzipped or not, or an .npz file of arrays."""

import os
import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.checks import positive
from fa_sweep.errors import ConfigError
from fa_sweep.roles import LOCATION, added
from fa_sweep.tasks._base import Examples, Task, TaskKind, one_hot
from fa_sweep.tasks._columns import some, standardise
from fa_sweep.tasks._contents import Contents
from fa_sweep.tasks._files import FileConfig, class_labels, names_in_npz, read_idx, read_npz, size_of_test, suffix
from fa_sweep.tasks._split import parts_in_words, split_rows

# The names of the arrays of images and labels in an .npz file.
PLAIN, KERAS, KERAS_TEST = ("x", "y"), ("x_train", "y_train"), ("x_test", "y_test")
# After the division, the largest pixel should lie between these two; below `TINY`, pixels have been scaled already.
TINY, SMALL, LARGE = 1 / 16, 0.25, 2.0


@dataclass
class ImagesConfig(FileConfig):
    """Settings of a task whose examples are labelled images.

    `path` names the file of the images to train on. It is either an .npz file with images `x` and labels `y`, one in Keras'
    layout with `x_train`, `y_train`, `x_test` and `y_test`, or an IDX file of images. The labels of an IDX file lie in the file
    that `labels_path` returns. If `held_out` is 0, the test images are the `x_test` of the file.

    Args:
        test_path: a file of test images, in any of these formats. If it is null, `held_out` images of `path` are held out
            instead.
        divide_by: the number that all pixels are divided by.
        standardise: whether to then shift and scale each input to mean 0 and standard deviation 1 over the training examples.

    Raises:
        ConfigError: `divide_by` is not positive, or a file cannot be read.
    """

    test_path: str | None = field(metadata=LOCATION)
    divide_by: float
    standardise: bool = field(metadata=added(False))

    def __post_init__(self) -> None:
        positive("task.divide_by", self.divide_by)
        super().__post_init__()

    def files(self) -> list[str]:
        """Return the paths of all images and labels, in the order in which they are read and hashed."""
        paths = [self.path, *([self.test_path] if self.test_path else [])]
        return [file for path in paths for file in ([path] if suffix(path) == ".npz" else [path, labels_path(path)])]


def labels_path(path: str) -> str:
    """Return the path of the labels that belong to an IDX file of images.

    The labels lie in the same folder. Their file name is that of the images, with `labels-idx1` in place of `images-idx3` (or
    `labels.idx1` in place of `images.idx3`). If neither occurs in the name, `labels` takes the place of `images`.

    Raises:
        ConfigError: the name of the file does not contain "images".
    """
    folder, name = os.path.split(path)
    labels = re.sub(r"images([-.])idx3", r"labels\1idx1", name)
    if labels == name:
        labels = name.replace("images", "labels")
    if labels == name:
        raise ConfigError(f"{path} names no labels; an IDX file of images has 'images' in its name, its labels 'labels'")
    return os.path.join(folder, labels)


def tell(config: ImagesConfig, asked: frozenset[str]) -> dict[str, Any]:
    """Tell `held_out` from the files: 0 for an .npz with a test set of its own, otherwise a fifth of the images."""
    if "held_out" not in asked:
        return {}
    images, _, test = _read(replace(config, held_out=0), Contents(config.content, config.path))
    return {"held_out": 0 if test and not config.test_path else size_of_test(len(images))}


def make(config: ImagesConfig, seed: int) -> Task:
    """Build the task from the files, with pixels divided by `divide_by`. Raises ConfigError if a file cannot be used."""
    contents = Contents(config.content, config.path)
    images, labels, test = _read(config, contents)
    contents.verify()
    notes = [*_notes_on_pixels(images, config)]
    count = len(images)
    if test:
        if test[0].shape[1] != images.shape[1]:
            other = config.test_path or "its test set"
            raise ConfigError(f"{other} has {test[0].shape[1]} pixels an image, {config.path} {images.shape[1]}")
        if (labels.dtype.kind in "US") != (test[1].dtype.kind in "US"):
            raise ConfigError(
                f"{config.path}: the labels of one set are texts, those of the other are numbers; write both alike"
            )
        labels = np.concatenate([labels, test[1]])
    numbers, classes = class_labels(labels, config.path, "use task=csv with task.kind=regression")
    targets = one_hot(numbers, classes)
    train: Any = slice(0, count)  # without validation examples, those of a file with a test set stay in its order
    held: Any = slice(0, 0)
    if not test or config.validation:
        train, held = split_rows(config, count, numbers[:count], config.path, test_is_elsewhere=test is not None)
    training = Examples(_pixels(images[train], config), targets[train])
    if test and config.evaluate_on == "test":
        evaluation = Examples(_pixels(test[0], config), targets[count:])
    else:
        evaluation = Examples(_pixels(images[held], config), targets[held])
    if config.standardise:
        standardise([training.inputs, evaluation.inputs])
    tested = len(test[0]) if test else config.held_out
    notes.append(f"{config.path}: {parts_in_words(config, len(training.inputs), tested)}")
    names = [str(label.decode("utf-8", "replace") if isinstance(label, bytes) else label) for label in np.unique(labels)]
    described = f"labels of {config.path}: {classes} classes ({some(names)})"
    return Task(evaluation, "one_hot", training=training, target=described, notes=tuple(notes))


def _pixels(images: Array, config: ImagesConfig) -> Array:
    """Convert images (examples, pixels) to float64 and divide them by `divide_by`, without an intermediate copy."""
    pixels: Array = np.divide(images, config.divide_by, dtype=np.float64)
    return pixels


def _notes_on_pixels(images: Array, config: ImagesConfig) -> list[str]:
    """Return what the user should know about the range of the pixels.

    Raises:
        ConfigError: the pixels have been scaled already, so that dividing them again would make them all tiny.
    """
    least, most, divisor = float(images.min()), float(images.max()), config.divide_by
    largest = max(-least, most)
    before = f"{config.path}: the largest pixel is {largest:.4g} before it is divided by task.divide_by={divisor:g}"
    scaled = largest <= 1 or (images.dtype.kind == "f" and least < 0 and largest < TINY * divisor)
    if 0 < largest < divisor and divisor >= 2 and scaled:
        raise ConfigError(f"{before}, so the pixels have been scaled already; set task.divide_by=1")
    if largest and not config.standardise and not SMALL <= largest / divisor <= LARGE:
        return [f"{before}; task.divide_by={largest:.6g} would bring it to 1, task.standardise=true all inputs to deviation 1"]
    return []


def _read(config: ImagesConfig, contents: Contents) -> tuple[Array, Array, tuple[Array, Array] | None]:
    """Read all files.

    Returns:
        Images (examples, pixels) and labels (examples,), in the files' own types, and those of the test set if there is one
        besides: that of `test_path` or, if `held_out` is 0, that of an .npz in Keras' layout.
    """
    test = None
    if suffix(config.path) == ".npz":
        content = contents.whole(config.path)
        names = names_in_npz(config.path, content)
        layout = PLAIN if PLAIN[0] in names or KERAS[0] not in names else KERAS
        found = _checked(config.path, *read_npz(config.path, content, layout))
        if layout is KERAS and KERAS_TEST[0] in names and not config.held_out and not config.test_path:
            test = _checked(config.path, *read_npz(config.path, content, KERAS_TEST))
    else:
        found = _read_idx(config.path, contents)
    if config.test_path and suffix(config.test_path) == ".npz":
        content = contents.whole(config.test_path)
        layout = PLAIN if PLAIN[0] in names_in_npz(config.test_path, content) else KERAS_TEST
        test = _checked(config.test_path, *read_npz(config.test_path, content, layout))
    elif config.test_path:
        test = _read_idx(config.test_path, contents)
    return *found, test


def _read_idx(path: str, contents: Contents) -> tuple[Array, Array]:
    x, y = (read_idx(one, contents.whole(one)) for one in (path, labels_path(path)))
    return _checked(path, x, y)


def _checked(path: str, x: Array, y: Array) -> tuple[Array, Array]:
    """Return the images (examples, pixels) and the labels (examples,) of one set. Labels may be one-hot, or a column."""
    if x.ndim < 2 or y.ndim not in (1, 2):
        raise ConfigError(f"{path}: images {x.shape} and labels {y.shape}; an image needs a row, a label is one value")
    if len(x) != len(y):
        raise ConfigError(f"{path}: {len(x)} images, but {len(y)} labels")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise ConfigError(f"{path}: not all pixels are finite")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    elif y.ndim == 2:
        if y.dtype.kind in "US" or not (np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all()):
            raise ConfigError(f"{path}: labels {y.shape} are not one-hot; give one label per image, or a single 1 in each row")
        y = y.argmax(axis=1)
    return x.reshape(len(x), -1), y


TASK = TaskKind(make, ImagesConfig, may_be_auto={"held_out": 1}, tell=tell)
