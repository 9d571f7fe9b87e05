"""Data of one's own: however a table or a set of images is written, the same numbers are read, and what was done is said."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from fa_sweep.errors import ConfigError
from fa_sweep.settings.build import build
from fa_sweep.settings.identity import nested_settings, run_id
from fa_sweep.settings.schema import RunConfig
from fa_sweep.tasks import forget_tasks, make_task

SIZE = 40


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    forget_tasks()


@pytest.fixture
def task(settings):
    """A function that writes a file and returns the task that reads it."""

    def read(content, *overrides, name="t.csv", target="y"):
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return make_task(settings("task=csv", f"task.path={name}", f"task.target={target}", *overrides).task)

    return read


def rows(separator=",", decimal=".", end="\n", quote="", extra=""):
    """A table with two inputs and a target of two classes, written in some dialect."""
    generator = np.random.default_rng(0)
    cells = [["a", "b c", "y"]]
    cells += [[f"{a:.3f}".replace(".", decimal), f"{b:.1f}".replace(".", decimal), str(i % 2)]
              for i, (a, b) in enumerate(generator.normal(size=(SIZE, 2)))]  # fmt: skip
    return extra + end.join(separator.join(f"{quote}{cell}{quote}" for cell in row) for row in cells) + end


DIALECTS = {
    "commas": rows(),
    "semicolons": rows(";"),
    "semicolons and decimal commas": rows(";", ","),
    "tabs": rows("\t"),
    "tabs and decimal commas": rows("\t", ","),
    "vertical bars": rows("|"),
    "a space after each comma": rows(", "),
    "quotes": rows(quote='"'),
    "quotes around decimal commas": rows(";", ",", quote='"'),
    "Windows line ends": rows(end="\r\n"),
    "Excel's first line": rows(";", ",", extra="sep=;\r\n", end="\r\n"),
    "a byte order mark": rows().encode("utf-8-sig"),
    "Excel's Unicode text": rows("\t", ",", end="\r\n").encode("utf-16"),
    "big-endian UTF-16": b"\xfe\xff" + rows("\t").encode("utf-16-be"),
    "gzip": gzip.compress(rows().encode()),
    "gzip of semicolons": gzip.compress(rows(";", ",").encode()),
    "lines without values": rows(";") + ";;\n\n",
    "a comma at each line's end": rows().replace("\n", ",\n"),
}


@pytest.mark.parametrize("content", DIALECTS.values(), ids=DIALECTS)
def test_every_dialect_gives_the_same_examples(task, content):
    assert task(content).digest == task(rows(), name="plain.csv").digest


def test_a_decimal_comma_is_no_separator_even_if_names_hold_commas(task):
    text = "length, mm;width, mm;y\n" + "".join(f"0,{i};1,{i % 7};{i % 2}\n" for i in range(10, 30))
    assert task(text).inputs == 2


INDEX = {
    "without a name, from 0": ("", lambda i: i),
    "without a name, from 1": ("", lambda i: i + 1),
    "without a name, shuffled": ("", lambda i: (i * 7) % SIZE),
    "without a name, texts": ("", lambda i: f"row {i}"),
    "as pandas names it": ("Unnamed: 0", lambda i: i),
    "index": ("index", lambda i: i),
    "id, in any case": ("ID", lambda i: 1000 + 3 * i),
}


@pytest.mark.parametrize(("name", "value"), INDEX.values(), ids=INDEX)
def test_a_column_that_numbers_the_rows_is_left_out_and_said(task, name, value):
    lines = rows().splitlines()
    indexed = "\n".join([f"{name},{lines[0]}", *(f"{value(i)},{line}" for i, line in enumerate(lines[1:]))])
    found = task(indexed)
    assert found.digest == task(rows(), name="plain.csv").digest
    assert any(f"column {name or 'Unnamed: 0'} left out" in note for note in found.notes)


def test_a_column_called_id_that_repeats_itself_is_an_input(task):
    lines = rows().splitlines()
    text = "\n".join([f"id,{lines[0]}", *(f"{i % 4},{line}" for i, line in enumerate(lines[1:]))])
    assert task(text).inputs == 3


def test_a_column_is_left_out_on_request_whatever_it_holds(task):
    text = rows().replace("a,", "note,a,", 1).replace("\n", "\nx1,", SIZE)
    found = task(text.replace("x1", "7", 3), "task.drop=[note]")
    assert found.digest == task(rows(), name="plain.csv").digest
    with pytest.raises(ConfigError, match=r"task.drop is 'nothing'.*no such column"):
        task(rows(), "task.drop=[nothing]")
    with pytest.raises(ConfigError, match=r"task.drop has 'y', which is task.target"):
        task(rows(), "task.drop=[y]")


def test_texts_become_one_input_for_each_category_and_it_is_said(task):
    text = "size,colour,y\n" + "".join(f"{i},{('red', 'blue', 'green')[i % 3]},{i % 2}\n" for i in range(1, 31))
    found = task(text, "task.standardise=false")
    everything = np.concatenate([found.training.inputs, found.evaluation.inputs])
    colours = np.argmax(everything[:, 1:], axis=1)  # blue, green, red: in alphabetical order
    assert everything.shape == (30, 4)
    assert (everything[:, 1:].sum(axis=1) == 1).all()
    assert np.array_equal(colours, np.array([2, 0, 1])[everything[:, 0].astype(int) % 3])
    assert any("column colour holds texts: 3 categories (blue, green and red)" in note for note in found.notes)


TARGETS = {
    "texts": (["setosa", "virginica"], "one_hot", 2),
    "booleans": (["True", "False"], "one_hot", 2),
    "few whole numbers": (["3", "4", "5.0"], "one_hot", 3),
    "fractions": ([f"{i / 8}" for i in range(9)], "regression", 1),
    "many whole numbers": ([str(i) for i in range(29)], "regression", 1),
}


@pytest.mark.parametrize(("values", "targets", "outputs"), TARGETS.values(), ids=TARGETS)
def test_the_target_tells_classification_from_regression(settings, task, values, targets, outputs):
    found = task("a,y\n" + "".join(f"{i * i % 13},{values[i % len(values)]}\n" for i in range(60)))
    assert (found.targets, found.outputs) == (targets, outputs)
    run = settings("task=csv", "task.path=t.csv", "task.target=y")
    classes = targets == "one_hot"
    assert run.train.loss == run.task.loss == ("cross_entropy" if classes else "squared")
    success = run.task.success
    assert (success.metric, success.direction, run.train.threshold) == (
        ("accuracy", "at_least", 0.95) if classes else ("centred_squared_error", "at_most", 0.1)
    )
    assert run.task.held_out == 12
    assert ("classes" in found.target) is classes


def test_what_is_set_wins_over_what_is_told(settings, task):
    task("a,y\n" + "".join(f"{i * i % 13},{i % 3}\n" for i in range(60)))
    own = ("task=csv", "task.path=t.csv", "task.target=y")
    run = settings(*own, "train.loss=squared", "train.threshold=0.7", "task.held_out=9")
    assert (run.train.loss, run.train.threshold, run.task.held_out, run.task.kind) == ("squared", 0.7, 9, "classification")
    run = settings(*own, "task.kind=regression", "task.success.metric=loss")
    success = run.task.success
    assert (run.train.loss, success.metric, success.direction) == ("squared", "loss", "at_most")
    task("a,y\n" + "".join(f"{i * i % 13},{i % 25}\n" for i in range(60)))
    assert settings(*own, "train.loss=cross_entropy").task.kind == "classification"


def test_told_settings_give_the_ids_of_the_same_settings_given(settings, task):
    task(rows())
    own = ("task=csv", "task.path=t.csv", "task.target=y")
    given = ("task.kind=classification", "train.loss=cross_entropy", "task.held_out=8", "train.batch_size=32")
    assert run_id(settings(*own)) == run_id(settings(*own, *given))


def test_settings_that_were_added_later_leave_ids_as_they_were(settings, task):
    task(rows())
    run = settings("task=csv", "task.path=t.csv", "task.target=y")
    older = nested_settings(run)
    for name in ("drop", "missing", "validation", "evaluate_on"):
        del older["task"][name]
    assert run_id(build(RunConfig, older)) == run_id(run)
    for other in ("task.missing=drop", "task.drop=[a]", "task.validation=3"):
        assert run_id(settings("task=csv", "task.path=t.csv", "task.target=y", other)) != run_id(run)


GAPS = "a,b,c,y\n" + "".join(f"{i % 7},{i % 5},{'uv'[i % 2]},{i % 2}\n" for i in range(30))


@pytest.mark.parametrize("gap", ["", "NA", "NaN", "null", "?", "-", " n/a "])
def test_missing_values_are_refused_counted_and_named(task, gap):
    with pytest.raises(
        ConfigError, match=r"1 of 31 rows of t.csv lack values \(column b: 1; first in line 32, column b\)"
    ) as e:
        task(f"{GAPS}1,{gap},u,0\n")
    assert "task.missing=drop" in str(e.value)


def test_rows_with_missing_values_are_dropped_on_request(task):
    found = task(f"{GAPS}1,?,u,0\n1,1,u,?\n", "task.missing=drop")
    assert found.digest == task(GAPS, name="plain.csv").digest
    assert any("2 of 32 rows lack values and are left out" in note for note in found.notes)


def test_missing_inputs_become_the_means_of_the_training_rows(task):
    text = "a,c,y\n" + "".join(f"{'?' if i == 3 else i},{'?' if i == 4 else 'uv'[i % 2]},{i % 2}\n" for i in range(30))
    found = task(text, "task.missing=mean", "task.standardise=false")
    parts = [found.training.inputs, found.evaluation.inputs]
    whole = np.concatenate(parts)
    assert np.isfinite(whole).all()
    own = [part[np.isin(part[:, 0], np.delete(np.arange(30.0), 3))] for part in parts]  # the mean is hardly a whole number
    filled = np.concatenate([part[~np.isin(part[:, 0], np.delete(np.arange(30.0), 3))] for part in parts])
    assert len(filled) == 1
    assert filled[0, 0] == pytest.approx(own[0][:, 0].mean())
    shares = whole[whole[:, 0] == 4, 1:]
    assert 0 < shares.min() < 1
    assert shares.sum() == pytest.approx(1)
    with pytest.raises(ConfigError, match=r"a missing target cannot be filled in"):
        task(f"{GAPS}1,1,u,?\n", "task.missing=mean")


def test_a_constant_column_is_centred_and_said(task):
    found = task("a,b,y\n" + "".join(f"{i % 7},5,{i % 2}\n" for i in range(30)))
    assert (found.training.inputs[:, 1] == 0).all()
    assert any("b is constant over the training examples and becomes 0" in note for note in found.notes)


def test_far_scales_are_said_unless_they_are_standardised(task):
    text = "a,b,y\n" + "".join(f"{i % 7 * 10000},{i % 5},{i % 2}\n" for i in range(30))
    assert any("task.standardise=true" in note for note in task(text, "task.standardise=false").notes)
    assert not any("task.standardise" in note for note in task(text).notes)


@pytest.mark.parametrize("split", ["permuted", "stratified"])
def test_validation_and_test_examples_are_disjoint_and_never_trained_on(settings, task, split):
    text = "a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(40))
    own = ("task.held_out=10", f"task.split={split}", "task.standardise=false", "task.split_seed=3")
    validation, test = (task(text, *own, "task.validation=6", *more) for more in ((), ("task.evaluate_on=test",)))
    assert np.array_equal(validation.training.inputs, test.training.inputs)
    assert np.array_equal(
        test.evaluation.inputs, task(text, *own).evaluation.inputs
    )  # the same test examples without validation
    sets = [set(part.inputs[:, 0]) for part in (validation.training, validation.evaluation, test.evaluation)]
    assert [len(part) for part in sets] == [24, 6, 10]
    assert set.union(*sets) == set(range(40))
    assert any("6 for validation, 10 for the test; evaluated on the validation examples" in note for note in validation.notes)
    with pytest.raises(ConfigError, match=r"task.evaluate_on is 'validation', but task.validation is 0"):
        settings("task=digits", "task.evaluate_on=validation")
    with pytest.raises(ConfigError, match=r"task.validation is 30; .* give at most 29"):
        task(text, *own, "task.validation=30")


# --- images and other vectors

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 2, 3))
CLASSES = np.arange(30) % 3
LABELS = {
    "numbers": CLASSES,
    "a column": CLASSES[:, None],
    "one-hot": np.eye(3)[CLASSES],
    "one-hot booleans": np.eye(3, dtype=bool)[CLASSES],
    "texts": np.array(["cat", "dog", "emu"])[CLASSES],
    "bytes": np.array([b"cat", b"dog", b"emu"])[CLASSES],
    "whole floats": CLASSES.astype(np.float32),
}


@pytest.fixture
def images(settings):
    def read(*overrides, name="set.npz", **arrays):
        if arrays:
            np.savez(name, **arrays)
        return make_task(settings("task=images", f"task.path={name}", *overrides).task)

    return read


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_of_any_form_give_the_same_examples(images, labels):
    assert images(x=PIXELS, y=labels).digest == images(name="plain.npz", x=PIXELS, y=CLASSES).digest


def test_keras_layout_keeps_its_test_set_unless_another_split_is_asked_for(images):
    arrays = {"x_train": PIXELS[:20], "y_train": CLASSES[:20], "x_test": PIXELS[20:], "y_test": CLASSES[20:]}
    whole = images(**arrays)
    assert np.array_equal(whole.training.inputs, PIXELS[:20].reshape(20, 6) / 255)
    assert np.array_equal(whole.evaluation.inputs, PIXELS[20:].reshape(10, 6) / 255)
    split = images("task.held_out=5")
    assert (len(split.training.inputs), len(split.evaluation.inputs)) == (15, 5)
    validated = images("task.validation=4")
    assert (len(validated.training.inputs), len(validated.evaluation.inputs)) == (16, 4)
    final = images("task.validation=4", "task.evaluate_on=test")
    assert np.array_equal(final.evaluation.inputs, whole.evaluation.inputs)
    other = images("task.test_path=set.npz")
    assert other.digest == whole.digest


IDX = {"f": (0x0D, ">f4"), "d": (0x0E, ">f8"), "h": (0x0B, ">i2"), "i": (0x0C, ">i4"), "B": (0x08, ">u1")}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("kind", IDX)
def test_idx_files_of_every_type(images, kind, zipped):
    code, dtype = IDX[kind]
    for part, values, letter in (("images-idx3", PIXELS, kind), ("labels-idx1", CLASSES, "B")):
        code, dtype = IDX[letter]
        head = struct.pack(f">BBBB{values.ndim}I", 0, 0, code, values.ndim, *values.shape)
        content = head + values.astype(dtype).tobytes()
        Path(f"a-{part}").write_bytes(gzip.compress(content) if zipped else content)
    assert images(name="a-images-idx3").digest == images(name="plain.npz", x=PIXELS, y=CLASSES).digest


def test_scaled_pixels_are_taken_as_they_are_on_request(images):
    found = images("task.divide_by=1", x=PIXELS / 255, y=CLASSES)
    assert found.digest == images(name="plain.npz", x=PIXELS, y=CLASSES).digest
    odd = images(name="odd.npz", x=PIXELS // 16, y=CLASSES)
    assert any("task.divide_by=15 would bring it to 1" in note for note in odd.notes)


def test_vectors_are_standardised_on_request(images):
    vectors = np.random.default_rng(1).normal(100, [1, 50], (30, 2))
    found = images("task.divide_by=1", "task.standardise=true", x=vectors, y=CLASSES)
    np.testing.assert_allclose(found.training.inputs.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(found.training.inputs.std(axis=0), 1)
    assert (found.evaluation.inputs.mean(axis=0) != 0).all()


# --- the command


def clusters(dimensions, scale):
    generator = np.random.default_rng(dimensions)
    label = generator.integers(3, size=150)
    centres = np.linalg.qr(generator.normal(size=(dimensions, dimensions)))[0][:3] * 6
    inputs = (centres[label] + generator.normal(size=(150, dimensions))) * scale
    header = ",".join([*(f"x{i}" for i in range(dimensions)), "label"])
    return "\n".join(
        [header, *(",".join([*map(repr, map(float, row)), "abc"[k]]) for row, k in zip(inputs, label, strict=True))]
    )


@pytest.mark.parametrize(("dimensions", "scale"), [(4, 1.0), (20, 1.0), (4, 1e4), (20, 1e-4)])
def test_separate_classes_are_learned_at_once(fa_sweep, capfd, dimensions, scale):
    Path("t.csv").write_text(clusters(dimensions, scale))
    assert fa_sweep("task=csv", "task.path=t.csv", "task.target=label", "train.steps=301") == 0
    out, err = capfd.readouterr()
    accuracy = [line.split()[2] for line in out.splitlines() if line.strip().startswith("300 ")]
    assert [float(value) > 0.95 for value in accuracy] == [True]
    said = "note: task.target 'label': 3 classes (a, b and c) -> cross_entropy, success: accuracy >= 0.95"
    assert err.count(said) == 1
    assert "Not learned" not in out
