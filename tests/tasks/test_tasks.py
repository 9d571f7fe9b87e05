"""Tasks: their examples, the order in which a run sees them, and data files that are not what they claim to be."""

import gzip
import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support.files import idx_bytes

from fa_sweep.engine.stack import Stack
from fa_sweep.engine.training import train
from fa_sweep.errors import ConfigError
from fa_sweep.numerics.sampling import SAMPLINGS
from fa_sweep.settings.identity import run_id
from fa_sweep.tasks import forget_tasks, make_task


def test_parity_of_two_bits_is_xor(settings):
    xor, parity = (make_task(settings(f"task={t}", *o).task) for t, o in (("xor", ()), ("parity", ("task.bits=2",))))
    both = [{tuple(x): y.item() for x, y in zip(t.training.inputs, t.training.targets, strict=True)} for t in (xor, parity)]
    assert both[0] == both[1]


def test_parity_is_whether_an_odd_number_of_bits_is_set(settings):
    task = make_task(settings("task=parity", "task.bits=5").task)
    assert len({tuple(x) for x in task.training.inputs}) == 32
    assert all(y == sum(x) % 2 for x, y in zip(task.training.inputs, task.training.targets[:, 0], strict=True))


def test_a_linear_teacher_is_linear_and_each_seed_has_its_own(settings):
    config = settings("task=linear_teacher").task
    one, two = make_task(config, 1), make_task(config, 2)
    x, y = one.evaluation.inputs, one.evaluation.targets
    assert x.shape == (1000, 30)
    teacher = np.linalg.lstsq(x, y, rcond=None)[0].T
    assert np.abs(teacher).max() <= 1
    assert teacher.std() == pytest.approx(1 / np.sqrt(3), rel=0.1)
    fresh = one.fresh(np.random.default_rng(0), 5)
    np.testing.assert_allclose(fresh.targets, fresh.inputs @ teacher.T, atol=1e-10)
    assert not np.allclose(two.evaluation.targets, two.evaluation.inputs @ teacher.T)


def test_a_nonlinear_teacher_by_hand(settings):
    from fa_sweep.numerics.streams import stream

    task = make_task(settings("task=nonlinear_teacher").task, 3)
    h, widths = task.evaluation.inputs, [30, 20, 10, 10]
    for layer in (1, 2, 3):
        i, o = widths[layer - 1], widths[layer]
        generator = stream(3, "task", layer)
        weight, bias = generator.uniform(-np.sqrt(3 / i), np.sqrt(3 / i), (o, i)), 0.5 * generator.uniform(-1, 1, o)
        h = h @ weight.T + bias
        h = np.tanh(h) if layer < 3 else h
    np.testing.assert_allclose(task.evaluation.targets, h, atol=1e-12)


def test_spirals_have_equal_arms_inside_the_unit_circle(settings):
    task = make_task(settings("task=spirals", "task.classes=3", "task.noise=0").task, 0)
    assert task.training.targets.sum(0).tolist() == [200, 200, 200]
    assert np.linalg.norm(task.training.inputs, axis=1).max() <= 1
    first, second = (task.training.inputs[task.training.targets[:, c] == 1] for c in (0, 1))
    angles = [np.arctan2(a[:, 1], a[:, 0]) - 2 * np.pi * np.linalg.norm(a, axis=1) for a in (first, second)]
    turned = np.degrees(np.angle(np.mean(np.exp(1j * angles[1])) / np.mean(np.exp(1j * angles[0]))))
    assert turned == pytest.approx(120, abs=1e-6)


def test_digits_are_split_by_a_named_permutation(settings):
    from sklearn.datasets import load_digits

    task, data = make_task(settings("task=digits").task), load_digits()
    order = np.random.default_rng(0).permutation(1797)
    assert np.array_equal(task.training.inputs, data.data[order[:1297]] / 16)
    assert np.array_equal(task.evaluation.targets.argmax(1), data.target[order[1297:]])


def test_a_stratified_split_has_every_class_in_proportion(settings):
    task = make_task(settings("task=digits", "task.split=stratified").task)
    whole = task.training.targets.sum(0) + task.evaluation.targets.sum(0)
    np.testing.assert_allclose(task.evaluation.targets.sum(0), whole * 500 / 1797, atol=1.01)


def test_random_labels_have_the_variances_of_the_paper(settings):
    task = make_task(settings("task=random_labels", "task.examples=2000").task, 0)
    assert task.training.inputs.var() == pytest.approx(1 / 150, rel=0.05)
    assert task.training.targets.var() == pytest.approx(1, rel=0.1)


# --- the order of examples


def test_a_permutation_meets_every_example_once_an_epoch():
    take = SAMPLINGS["permutation"](np.random.default_rng(0), 10, 3)
    epochs = take(12).reshape(4, 3, 3)
    for epoch in epochs:
        assert len(set(epoch.ravel().tolist())) == 9
    assert not np.array_equal(epochs[0], epochs[1])
    assert set(epochs.ravel().tolist()) == set(range(10))


def test_in_order_is_in_order():
    take = SAMPLINGS["in_order"](np.random.default_rng(0), 5, 2)
    assert np.concatenate([take(2), take(3)]).ravel().tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]


TASKS = ["xor", "parity", "linear_teacher", "nonlinear_teacher", "spirals", "digits", "random_labels"]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("batch", [1, 3])
def test_how_the_steps_are_cut_changes_nothing(settings, task, batch):
    run = settings(f"task={task}", f"train.batch_size={batch}", "seed=5")
    whole, parts = Stack([run]), Stack([run])
    pieces = [parts.examples.batches(n) for n in (1, 7, 52, 140)]
    for number, array in enumerate(whole.examples.batches(200)):
        assert np.array_equal(array[..., 0], np.concatenate([p[number][..., 0] for p in pieces]))


def test_epochs_set_the_steps(settings):
    run = settings("task=digits", "train=batch", "train.epochs=3")
    assert run.train.steps == 3 * (1297 // 32)
    assert run_id(run) == run_id(settings("task=digits", "train=batch", "train.epochs=null", "train.steps=120"))


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("every", [0, 100, 200, 300]),
        ("[0,1,7]", [0, 1, 7, 300]),
        ("linear:4", [0, 100, 200, 300]),
        ("linear:1", [0, 300]),
        ("log:5", [0, 3, 16, 71, 300]),
    ],
)
def test_evaluation_steps(settings, override, expected):
    run = settings("train.steps=301", f"train.eval_at={override}")
    assert run.train.evaluation_steps() == expected
    assert train([run]).steps.tolist() == expected


# --- files


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """Small images and labels in MNIST's file format, in the working folder."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 256, (60, 4, 5)), np.arange(60) % 3
    Path("train-images-idx3-ubyte").write_bytes(idx_bytes(x))
    Path("train-labels-idx1-ubyte").write_bytes(idx_bytes(y))
    return x, y


IMAGES = ("task=images", "task.path=train-images-idx3-ubyte", "task.held_out=20")


def test_images_from_idx_gzipped_or_not_and_from_npz(settings, mnist):
    x, y = mnist
    for name in ("images-idx3", "labels-idx1"):
        Path(f"zipped-{name}-ubyte.gz").write_bytes(gzip.compress(Path(f"train-{name}-ubyte").read_bytes()))
    np.savez_compressed("set.npz", x=x, y=y)
    paths = ("train-images-idx3-ubyte", "zipped-images-idx3-ubyte.gz", "set.npz")
    tasks = [make_task(settings("task=images", f"task.path={path}", "task.held_out=20").task) for path in paths]
    for task in tasks:
        assert task.digest == tasks[0].digest
        assert task.training.inputs.shape == (40, 20)
        assert task.evaluation.targets.shape == (20, 3)
    order = np.random.default_rng(0).permutation(60)
    assert np.array_equal(tasks[0].training.inputs, x.reshape(60, 20)[order[:40]] / 255)


def test_images_with_a_test_file_are_not_split(settings, mnist):
    x, y = mnist
    Path("t10k-images-idx3-ubyte").write_bytes(idx_bytes(x[:7] // 2))
    Path("t10k-labels-idx1-ubyte").write_bytes(idx_bytes(y[:7]))
    task = make_task(settings(*IMAGES, "task.test_path=t10k-images-idx3-ubyte").task)
    assert np.array_equal(task.training.inputs, x.reshape(60, 20) / 255)
    assert np.array_equal(task.evaluation.inputs, (x[:7] // 2).reshape(7, 20) / 255)


def test_the_content_of_a_file_is_part_of_the_id_and_its_path_is_not(settings, mnist):
    first = settings(*IMAGES)
    for name in ("images-idx3", "labels-idx1"):
        Path(f"copy-{name}").write_bytes(Path(f"train-{name}-ubyte").read_bytes())
    copy = settings("task=images", "task.path=copy-images-idx3", "task.held_out=20")
    assert run_id(copy) == run_id(first)
    Path("copy-labels-idx1").write_bytes(idx_bytes(mnist[1][::-1]))
    os.utime("copy-labels-idx1", (1, 1))  # otherwise the file would look unchanged within one tick of the clock
    changed = settings("seed=0", "task=images", "task.path=copy-images-idx3", "task.held_out=20")
    assert run_id(changed) != run_id(first)
    forget_tasks()
    with pytest.raises(ConfigError, match=r"task.content is .*copy-images-idx3"):
        make_task(copy.task)


def csv(text, *overrides):
    Path("table.csv").write_text(text)
    return ("task=csv", "task.path=table.csv", "task.target=y", "task.held_out=1", *overrides)


def test_csv_for_regression_and_classification(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "a,y,b\n" + "".join(f"{i},{i % 2 + 5},{i * i}\n" for i in range(9))
    task = make_task(settings(*csv(text, "task.standardise=false")).task)
    assert task.training.targets.sum(1).tolist() == [1.0] * 8
    assert task.training.inputs.shape == (8, 2)
    regression = ("task.kind=regression", "task.success.metric=normalised_squared_error")
    task = make_task(settings(*csv(text, *regression)).task)
    np.testing.assert_allclose(task.training.inputs.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(task.training.targets.std(0), 1)


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def header(shape, dtype="'<f8'"):
    """Return an .npz file whose member x claims a shape for which it does not hold enough data."""
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + b"\0" * 1000)
        archive.writestr("y.npy", b"")
    return buffer.getvalue()


GOOD = np.arange(24.0).reshape(6, 4)
BAD_FILES = {
    "truncated header": ("train-images-idx3-ubyte", b"\0\0\x08\x03\0\0", "truncated"),
    "truncated data": ("train-images-idx3-ubyte", idx_bytes(np.zeros((60, 4, 5)))[:-7], "truncated: 60 x 4 x 5 values"),
    "too long": ("train-images-idx3-ubyte", idx_bytes(np.zeros((60, 4, 5))) + b"\0", "longer than its header"),
    "wrong magic": ("train-images-idx3-ubyte", b"\x89PNG" + bytes(100), "magic number is 89504e47"),
    "empty": ("train-images-idx3-ubyte", b"", "is empty"),
    "no images": ("train-images-idx3-ubyte", idx_bytes(np.zeros((0, 4, 5))), "no values"),
    "truncated gzip": ("train-images-idx3-ubyte", gzip.compress(idx_bytes(np.ones((60, 4, 5))))[:-12], "cannot be read"),
    "idx bomb": ("train-images-idx3-ubyte", struct.pack(">BBBB3I", 0, 0, 8, 3, 2**31, 2**31, 9), "GiB"),
    "counts": ("train-labels-idx1-ubyte", idx_bytes(np.zeros(59)), "60 images, but 59 labels"),
    "labels of one class": ("train-labels-idx1-ubyte", idx_bytes(np.zeros(60)), "one class"),
    "not a zip": ("set.npz", b"hello", "no readable .npz"),
    "empty npz": ("set.npz", b"", "no readable .npz"),
    "objects": ("set.npz", npz(x=np.array([[{}]], dtype=object), y=np.zeros(1)), "never unpickled"),
    "text": ("set.npz", npz(x=np.array([["a"]]), y=np.zeros(1)), "not numbers"),
    "no y": ("set.npz", npz(x=GOOD), "no array 'y'; it holds x"),
    "npz counts": ("set.npz", npz(x=GOOD, y=np.arange(5)), "6 images, but 5 labels"),
    "npz nan": ("set.npz", npz(x=np.full((6, 4), np.nan), y=np.arange(6)), "finite"),
    "zip bomb": ("set.npz", header("(100000, 100000)"), "GiB"),
    "npz header lies": ("set.npz", header("(4, 4)"), "longer than its header"),
    "csv nan": ("table.csv", b"a,y\n1,2\nnan,1\n", "line 3, column a"),
    "csv inf": ("table.csv", b"a,y\n1,2\n1,inf\n", "line 3, column y"),
    "csv text among numbers": ("table.csv", b"a,y\n1,2\n1,two\n", "line 3, column y: 'two' is no number"),
    "csv number among texts": ("table.csv", b"a,y\n1,two\n1,2\n", "line 3, column y: '2' is a number, but earlier"),
    "csv units": ("table.csv", b"a,y\n1 %,2\n", "line 2, column a: '1 %' is no number"),
    "csv without classes": ("table.csv", b"a,y\n1,u\n2,v\n3,w\n", "column y has 3 different texts in 3 rows"),
    "csv ragged": ("table.csv", b"a,y\n1,2,3\n", "line 2 has 3 values for 2 columns"),
    "csv without the column": ("table.csv", b"a,b\n1,2\n", "task.target is 'y'"),
    "csv target alone": ("table.csv", b"y\n1\n2\n", "no column beside"),
    "csv empty": ("table.csv", b"", "is empty"),
    "csv header alone": ("table.csv", b"a,y\n", "no rows"),
    "csv binary": ("table.csv", b"\xff\xfe\x00\xd8a", "cannot be read"),
    "csv zeros": ("table.csv", bytes(4096), "no text"),
    "csv workbook": ("table.csv", b"PK\x03\x04" + bytes(60), "save the table as CSV"),
    "csv Latin": ("table.csv", b"a,y\n\xe4,1\n", "save it as UTF-8"),
    "csv half a gzip": ("table.csv", gzip.compress(b"a,y\n" + bytes(range(48, 58)) * 9)[:30], "cannot be read"),
    "csv header of numbers": ("table.csv", b"1,2\n3,4\n", "has no header: its first line is numbers"),
    "csv header with decimals": ("table.csv", b"5.1,3.5,setosa\n4.9,3.0,setosa\n", "has no header"),
    "csv header of integers": ("table.csv", b"39,7,7,y\n50,3,2,y\n", "has no header"),
    "csv two decimal marks": ("table.csv", b"a;y\n1,5;1\n1.5;0\n", "'1.5', but '1,5' in line 2"),
    "csv empty column": ("table.csv", b"a,y\n,1\n,0\n", "column a has no values; leave out what is empty: task.drop=[a]"),
    "csv missing": (
        "table.csv",
        b"a,b,y\n1,?,1\n2,NA,0\n-,3,1\n",
        "3 of 3 rows of table.csv lack values (column a: 1 and b: 2",
    ),
    "csv names as inputs": ("table.csv", b"a,y\nu,1\nv,0\nw,1\n", "leave it out: task.drop=[a]"),
    "labels neither plain nor one-hot": ("set.npz", npz(x=GOOD, y=np.ones((6, 2))), "not one-hot"),
    "pixels scaled already": ("set.npz", npz(x=GOOD / 24, y=np.arange(6) % 2), "set task.divide_by=1"),
    "bits": ("set.npz", npz(x=GOOD > 7, y=np.arange(6) % 2), "set task.divide_by=1"),
    "pixels standardised": ("set.npz", npz(x=GOOD / 4 - 3, y=np.arange(6) % 2), "set task.divide_by=1"),
    "fractions as labels": ("set.npz", npz(x=GOOD, y=np.arange(6) / 2), "use task=csv with task.kind=regression"),
    "missing": ("nowhere.csv", None, "No such file"),
}


@pytest.mark.parametrize(("name", "content", "fault"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_refused_in_one_line_that_names_it(fa_sweep, mnist, capfd, tmp_path, name, content, fault):
    if content is not None:
        Path(name).write_bytes(content)
    path = name.replace("labels-idx1", "images-idx3")
    before = sorted(Path().iterdir())
    task = ("task=csv", "task.target=y", "task.held_out=1") if name.endswith("csv") else ("task=images", "task.held_out=1")
    assert fa_sweep(*task, f"task.path={path}") == 2
    err = capfd.readouterr().err.strip()
    assert len(err.splitlines()) == 1, err
    assert "Traceback" not in err
    assert fault in err
    assert path.split("-")[0] in err
    assert sorted(Path().iterdir()) == before
