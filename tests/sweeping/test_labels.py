"""The name and the tags of a sweep: they are kept, they stand in its folder, and a damaged file of them stops nothing."""

import re

import pytest

from fa_sweep.errors import ConfigError
from fa_sweep.sweeping.folder import fresh_id, make_folder
from fa_sweep.sweeping.labels import LABELS, Labels, read_labels, write_labels

DAMAGED = [
    "",
    "null",
    "[]",
    "3",
    '{"name": 3}',
    '{"tags": "a"}',
    '{"tags": [3]}',
    '{"name": "a\\nb"}',
    '{"name": "' + "a" * 999 + '"}',
    "{",
]


def test_labels_are_kept(tmp_path):
    assert read_labels(tmp_path) == Labels()
    write_labels(tmp_path, "größer: 3/4", ["a", "b", "a"])
    assert read_labels(tmp_path) == Labels("größer: 3/4", ("a", "b"))


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_labels_are_said_and_count_as_none(tmp_path, capsys, content):
    (tmp_path / LABELS).write_text(content)
    assert read_labels(tmp_path) == Labels()
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("name", ["", "a", "my first: sweep/3", "größer", "../..", "a\\b", "x" * 500, "...", "-"])
def test_a_folder_bears_its_sweep_s_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    made = fresh_id(name)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_[0-9a-f]{6}(_[\w.-]{1,60})?", made)
    make_folder(tmp_path / "outputs/sweeps" / made, "hydra.sweep.dir", new=True)
    assert [path.name for path in (tmp_path / "outputs/sweeps").iterdir()] == [made]


@pytest.mark.parametrize("name", ["a\nb", " ", "x" * 101, "\x07"])
def test_a_name_is_one_short_line(settings, name):
    with pytest.raises(ConfigError, match=r"^name is .* one line of at most 100 printable characters"):
        settings(f"name='{name}'")


def test_a_name_is_no_part_of_a_run(settings):
    from fa_sweep.settings.identity import run_id

    assert run_id(settings("name=a")) == run_id(settings())
