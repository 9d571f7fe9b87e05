"""Small data files for tasks to read, and the files of a report in comparable form."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest


def idx_bytes(array: np.ndarray) -> bytes:
    """Encode an array of bytes in the IDX format, which MNIST's files use."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(">u1").tobytes()


def write_small_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `folder` the working folder and write a few images, their labels and a CSV table into it."""
    monkeypatch.chdir(folder)
    generator = np.random.default_rng(0)
    Path("small-images-idx3").write_bytes(idx_bytes(generator.integers(0, 256, (40, 3, 3))))
    Path("small-labels-idx1").write_bytes(idx_bytes(np.arange(40) % 3))
    rows = [f"{a:.3f},{b:.3f},{i % 2}" for i, (a, b) in enumerate(generator.normal(size=(40, 2)))]
    Path("small.csv").write_text("a,b,y\n" + "\n".join(rows) + "\n")


STAMP = re.compile(r"written \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")


def report_contents(folder: Path) -> dict[Path, bytes]:
    """Read the files of a report, without the time of writing that its pages state."""
    files = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {p: STAMP.sub("", data.decode()).encode() if p.suffix in (".html", ".md") else data for p, data in files.items()}
