"""Damaged, huge or hostile configuration files are refused at once, in one line that names file, line and fault."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from support.commands import refused

from fa_sweep.cli.config_files import check_file
from fa_sweep.errors import ConfigError

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)
)
DEEP = "a: " + "[" * 5000 + "]" * 5000
PRESETS = {
    "tab": (b"train:\n\tlr: 0.1\n", ["line 2", "token"]),
    "unclosed": (b"train: {lr: 0.1\n", ["mend"]),
    "binary": (b"\x00\x01\x02\xff\xfe", ["UTF-8"]),
    "nul": (b"train: {lr: 0.1}\x00\n", ["mend"]),
    "latin-1": ("# größe\ntrain: {lr: 0.1}\n".encode("latin-1"), ["line 1", "UTF-8"]),
    "utf-16": ("train: {lr: 0.1}\n".encode("utf-16"), ["UTF-8"]),
    "key twice": (b"train:\n  lr: 0.1\n  lr: 0.2\n", ["line 3", "lr", "twice"]),
    "group twice": (b"train: {lr: 0.1}\ntask: {}\ntrain: {lr: 0.2}\n", ["line 3", "train", "twice"]),
    "python object": (b"train: !!python/object/apply:os.system ['touch x']\n", ["line 1", "python/object", "not allowed"]),
    "tag of its own": (b"train: {lr: !mine 3}\n", ["!mine", "not allowed"]),
    "binary tag": (b"train: {lr: !!binary aGVsbG8=}\n", ["binary", "not allowed"]),
    "alias bomb": (BOMB.encode(), ["50000 values"]),
    "alias within itself": (b"train: &a {lr: *a}\n", ["*a", "does not end before"]),
    "unknown alias": (b"train: {lr: *nope}\n", ["nope"]),
    "deep": (DEEP.encode(), ["levels"]),
    "deep blocks": (b"- " * 3000 + b"x", ["levels"]),
    "huge": (b"# " + b"x" * 400_000 + b"\n", ["larger than 256 KiB"]),
    "list": (b"- a\n- b\n", ["mapping"]),
    "text": (b"hello\n", ["hello is not a setting"]),
    "two documents": (b"a: 1\n---\nb: 2\n", ["mend"]),
    "defaults of text": (b"defaults: xor\n", ["defaults", "list"]),
    "defaults with a list": (b"defaults:\n  - override /feedback: [random, symmetric]\n", ["feedback", "one of its options"]),
    "defaults with a number": (b"defaults:\n  - override /task: 3\n", ["defaults", "int"]),
    "mode of another file": (b"feedback: {mode: symmetric}\n", ["use feedback=symmetric"]),
    "surrogate": (b'task: {loss: "\\ud800"}\n', ["Unicode"]),
    "unknown setting": (b"train: {nope: 1}\n", ["train.nope", "known here"]),
    "key that is no text": (b"1: 2\n", ["1 is not a setting"]),
    "recursion": (b"train: {lr: '${train.lr}'}\n", ["train.lr"]),
    "sweep of nothing": (b"hydra: {mode: MULTIRUN, sweeper: {params: {seed: 'range(nan)'}}}\n", ["range(nan)"]),
    "sweep that is no text": (b"hydra: {mode: MULTIRUN, sweeper: {params: {seed: [1, 2]}}}\n", ["seed"]),
    "launcher null": (b"hydra: {launcher: null}\n", ["hydra.launcher"]),
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_damaged_preset_is_named(fa_sweep, capfd, tmp_path_factory, name):
    content, words = PRESETS[name]
    folder = tmp_path_factory.mktemp("conf")
    (folder / "experiment").mkdir()
    start = b"# @package _global_\n" if name not in ("binary", "utf-16", "latin-1") else b""
    (folder / "experiment" / "x.yaml").write_bytes(start + content)
    words = [w.replace(f"line {n}", f"line {n + bool(start)}") for w in words for n in [int(w[5:]) if w[:5] == "line " else 0]]
    line = refused(fa_sweep, capfd, ["--config-dir", str(folder), "+experiment=x"])
    for word in words:
        assert word in line, (word, line)


def test_nothing_of_a_hostile_file_is_run(fa_sweep, tmp_path_factory):
    folder = tmp_path_factory.mktemp("conf")
    (folder / "experiment").mkdir()
    (folder / "experiment" / "x.yaml").write_text(f"a: !!python/object/apply:os.mkdir ['{folder / 'made'}']\n")
    assert fa_sweep(f"--config-dir={folder}", "+experiment=x") == 2
    assert not (folder / "made").exists()


def test_a_named_pipe_is_not_waited_for(fa_sweep, capfd, tmp_path_factory):
    folder = tmp_path_factory.mktemp("conf")
    (folder / "experiment").mkdir()
    os.mkfifo(folder / "experiment" / "x.yaml")
    assert "experiment" in refused(fa_sweep, capfd, [f"--config-dir={folder}", "+experiment=x"])


@pytest.mark.parametrize(
    "content", ["a: 1\n", "", "# comment\n", "a: &x {b: [1, 2]}\nc: *x\n", "\ufeffa: ü\n", "<<: {a: 1}\nb: 2\n"]
)
def test_plain_files_are_taken(tmp_path, content):
    Path(tmp_path, "x.yaml").write_text(content, encoding="utf-8")
    check_file(str(tmp_path / "x.yaml"))


def test_every_file_of_our_own_is_taken():
    from fa_sweep.cli.configuration import conf_dir

    files = list(Path(conf_dir()).rglob("*.yaml"))
    assert len(files) > 30
    for path in files:
        check_file(str(path))


@pytest.mark.parametrize("seed", range(4))
def test_a_file_of_any_bytes_is_taken_or_refused(tmp_path, seed):
    """A preset with randomly changed bytes is either accepted or refused with a ConfigError, without delay."""
    import random

    from fa_sweep.cli.configuration import conf_dir

    generator = random.Random(seed)  # noqa: S311  no secret
    whole = Path(conf_dir(), "experiment", "seed_post.yaml").read_bytes()
    for number in range(200):
        damaged = bytearray(whole)
        for _ in range(generator.randint(1, 6)):
            damaged[generator.randrange(len(damaged))] = generator.choice(
                b"\x00\t\n&*!{}[]:-#'\"%@`|>?,\x80\xff" + bytes(range(256))
            )
        path = tmp_path / f"{number}.yaml"
        path.write_bytes(damaged)
        with suppress(ConfigError):
            check_file(str(path))
