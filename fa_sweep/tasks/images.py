"""Labelled images from files: IDX files such as MNIST's, gzipped or not, or an .npz file with arrays x and y."""

import os
import re
from dataclasses import dataclass, field

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.checks import positive
from fa_sweep.errors import ConfigError
from fa_sweep.roles import LOCATION
from fa_sweep.tasks._base import Examples, Task, TaskKind, one_hot
from fa_sweep.tasks._contents import Contents
from fa_sweep.tasks._files import FileConfig, class_labels, read_idx, read_npz, suffix
from fa_sweep.tasks._split import split_rows


@dataclass
class ImagesConfig(FileConfig):
    """Settings of a task whose examples are labelled images.

    `path` names the file of the images to train on. It is either an .npz file with images `x` and labels `y`, or an IDX file of
    images. The labels of an IDX file lie in the file that `labels_path` returns.

    Args:
        test_path: a file of images to evaluate on, in either format. If it is null, `held_out` images of `path` are
            held out instead.
        divide_by: the number that all pixels are divided by.

    Raises:
        ConfigError: `divide_by` is not positive, or a file cannot be read.
    """

    test_path: str | None = field(metadata=LOCATION)
    divide_by: float

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


def make(config: ImagesConfig, seed: int) -> Task:
    """Build the task from the files, with pixels divided by `divide_by`. Raises ConfigError if a file cannot be used."""
    contents = Contents(config.content, config.path)
    images, labels = _read(config.path, contents)
    count, test = len(images), None
    if config.test_path:
        test, more_labels = _read(config.test_path, contents)
        if test.shape[1] != images.shape[1]:
            raise ConfigError(f"{config.test_path} has {test.shape[1]} pixels an image, {config.path} {images.shape[1]}")
        labels = np.concatenate([labels, more_labels])
    contents.verify()
    numbers, classes = class_labels(labels, config.path)
    targets = one_hot(numbers, classes)
    if test is not None:
        training = Examples(_pixels(images, config), targets[:count])
        return Task(Examples(_pixels(test, config), targets[count:]), "one_hot", training=training)
    rows = split_rows(config, count, numbers, config.path)
    training, held_out = (Examples(_pixels(images[part], config), targets[part]) for part in rows)
    return Task(held_out, "one_hot", training=training)


def _pixels(images: Array, config: ImagesConfig) -> Array:
    """Convert images (examples, pixels) to float64 and divide them by `divide_by`, without an intermediate copy."""
    pixels: Array = np.divide(images, config.divide_by, dtype=np.float64)
    return pixels


def _read(path: str, contents: Contents) -> tuple[Array, Array]:
    """Read the images (examples, pixels) and labels (examples,) that belong to a path, in the files' own types."""
    if suffix(path) == ".npz":
        x, y = read_npz(path, contents.whole(path), ("x", "y"))
    else:
        x, y = (read_idx(one, contents.whole(one)) for one in (path, labels_path(path)))
    if x.ndim < 2 or y.ndim != 1:
        raise ConfigError(f"{path}: images {x.shape} and labels {y.shape}; an image needs a row, a label is one number")
    if len(x) != len(y):
        raise ConfigError(f"{path}: {len(x)} images, but {len(y)} labels")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise ConfigError(f"{path}: not all pixels are finite")
    return x.reshape(len(x), -1), y


TASK = TaskKind(make, ImagesConfig)
