"""A data file is trained on only if its bytes have the hash that the settings record."""

import os
from pathlib import Path

import numpy as np
import pytest
from support.commands import short
from support.files import idx_bytes

from fa_sweep.errors import ConfigError
from fa_sweep.settings.identity import run_id
from fa_sweep.sweeping.folder import all_sweeps
from fa_sweep.sweeping.work import Work, train_runs
from fa_sweep.tasks import csv as csv_module
from fa_sweep.tasks import forget_tasks, make_task, task_of

CSV = ("task=csv", "task.path=t.csv", "task.target=y", "task.held_out=4", "model.hidden=[3]")
IMAGES = ("task=images", "task.path=a-images-idx3", "task.test_path=b-images-idx3", "model.hidden=[3]")


def rows(sign):
    return "a,y\n" + "".join(f"{sign}{i % 7},{i % 2}\n" for i in range(20))


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A working folder with a table, and with labelled images for training and for evaluation."""
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text(rows("+"))
    generator = np.random.default_rng(0)
    for name in "ab":
        Path(f"{name}-images-idx3").write_bytes(idx_bytes(generator.integers(0, 256, (12, 2, 2))))
        Path(f"{name}-labels-idx1").write_bytes(idx_bytes(np.arange(12) % 3))
    forget_tasks()


def replaced(path):
    """Change the bytes of a file, but not its size and times."""
    before = os.stat(path)
    content = bytearray(Path(path).read_bytes())
    if path.endswith("csv"):
        content = bytearray(rows("-").encode())
    else:
        content[-1] ^= 1
    Path(path).write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = os.stat(path)
    assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)


@pytest.mark.parametrize(
    ("overrides", "path"),
    [
        (CSV, "t.csv"),
        (IMAGES, "a-images-idx3"),
        (IMAGES, "a-labels-idx1"),
        (IMAGES, "b-images-idx3"),
        (IMAGES, "b-labels-idx1"),
    ],
)
def test_a_file_that_was_replaced_after_planning_is_not_trained_on(settings, data, overrides, path):
    run = settings(*overrides, "train.steps=5")
    replaced(path)
    forget_tasks()  # as in a worker process, which has no task in memory yet
    with pytest.raises(ConfigError, match=r"task\.content is .*changed since"):
        train_runs(Work([run_id(run)], [run], {}))


def test_a_file_that_is_replaced_while_it_is_read_is_not_taken(settings, data, monkeypatch):
    """A file that changes after its hash was recorded is refused even if it changes during the reading."""
    run = settings(*CSV)
    forget_tasks()
    original = csv_module.read_table

    def replacing(*arguments):
        replaced("t.csv")
        return original(*arguments)

    monkeypatch.setattr(csv_module, "read_table", replacing)
    with pytest.raises(ConfigError, match=r"task\.content"):
        make_task(run.task)


def test_another_content_is_another_run(settings, data):
    first = settings(*CSV)
    replaced("t.csv")
    third = settings(*CSV, "task.held_out=5")
    assert third.task.content != first.task.content
    assert run_id(third) != run_id(first)


@pytest.mark.parametrize("n_jobs", ["1", "2"])
def test_a_sweep_whose_file_is_replaced_fails_in_one_line(fa_sweep, data, capfd, monkeypatch, n_jobs):
    """A file that changes between plan and training fails the sweep, here and in other processes; no run is kept."""
    from fa_sweep.cli import conductor

    original = conductor.open_sweep

    def replacing(*arguments):
        replaced("t.csv")
        forget_tasks()
        return original(*arguments)

    monkeypatch.setattr(conductor, "open_sweep", replacing)
    assert fa_sweep(*short(*CSV, "seed=0,1", f"n_jobs={n_jobs}", "train.eval_every=100")) in (1, 2)
    err = capfd.readouterr().err
    assert "task.content is" in err
    assert "Traceback" not in err
    assert all(len(sweep.records()) == 0 for sweep in all_sweeps())


def test_the_home_folder_is_known(settings, data, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert make_task(settings(*CSV[:1], "task.path='~/t.csv'", *CSV[2:]).task).inputs == 1


def test_float32_halves_the_examples_and_changes_no_number(settings, data):
    double, single = (task_of(settings(*CSV, f"dtype={dtype}")) for dtype in ("float64", "float32"))
    assert single.nbytes * 2 == double.nbytes
    assert np.array_equal(double.training.inputs.astype(np.float32), single.training.inputs)


def test_a_table_is_read_as_before(settings, data):
    """The columns of a table equal values that NumPy standardises here with the training rows' mean and deviation."""
    generator = np.random.default_rng(1)
    values = generator.normal(size=(50, 3))
    Path("t.csv").write_text("a,y,b\n" + "\n".join(",".join(map(repr, map(float, row))) for row in values))
    overrides = ("task.kind=regression", "task.success.metric=normalised_squared_error", "task.held_out=10")
    task = make_task(settings(*CSV, *overrides).task)
    order = np.random.default_rng(0).permutation(50)
    x, y = values[:, [0, 2]], values[:, [1]]
    for part, numbers in ((task.training, order[:40]), (task.evaluation, order[40:])):
        for found, whole in ((part.inputs, x), (part.targets, y)):
            train = whole[order[:40]]
            assert np.array_equal(found, (whole[numbers] - train.mean(axis=0)) / train.std(axis=0))


def test_a_file_without_lines_is_not_read_whole(fa_sweep, data, capfd):
    with open("t.csv", "wb") as file:
        file.truncate(2**32)  # a sparse file, which takes no disk space
    capfd.readouterr()
    assert fa_sweep(*CSV) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert "line 1 is longer than" in line


def test_a_named_pipe_and_a_device_are_no_files(fa_sweep, data, capfd):
    os.mkfifo("pipe.csv")
    for path in ("pipe.csv", "/dev/zero"):
        assert fa_sweep("task=csv", f"task.path={path}", "task.target=y") == 2
        assert f"{path} is no file" in capfd.readouterr().err


def test_an_archive_that_unpacks_to_more_than_the_memory_is_refused(fa_sweep, data, capfd, monkeypatch):
    np.savez_compressed("x.npz", x=np.zeros((3000, 4000), np.uint8), y=np.arange(3000) % 2)
    assert os.path.getsize("x.npz") < 200_000
    monkeypatch.setattr("fa_sweep.process.resources.available_memory", lambda: 50_000_000)
    assert fa_sweep("task=images", "task.path=x.npz") == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert "x.npz: array 'x' takes 103 MiB of memory, of which 48 MiB are free" in line


def test_a_table_that_finds_no_room_is_refused_before_it_is_read(fa_sweep, data, capfd, monkeypatch):
    Path("t.csv").write_text("a,b,c,y\n" + "1,2,3,0\n" * 200_000)
    monkeypatch.setattr("fa_sweep.process.resources.available_memory", lambda: 5_000_000)
    assert fa_sweep(*CSV) == 2
    assert "t.csv takes" in capfd.readouterr().err


@pytest.mark.parametrize(
    "overrides",
    [
        ("task=linear_teacher", "task.held_out=10000000000"),
        ("task=spirals", "task.points=10000000000"),
        ("task=random_labels", "task.examples=10000000000"),
        ("task=nonlinear_teacher", "task.widths=[1000000,1000000,1]"),
    ],
)
def test_a_task_that_finds_no_room_is_refused_before_it_is_made(fa_sweep, data, capfd, overrides):
    assert fa_sweep(*overrides) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert f"{overrides[1]} takes" in line
    assert "are free: make it smaller" in line
