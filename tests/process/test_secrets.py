"""However a user gives a password, it appears in no byte that the program writes or prints."""

import base64
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

import pytest
from support.commands import short

from fa_sweep.process import secrets
from fa_sweep.process.secrets import redact, redacted, remember_secrets_of

SECRET = "s3cret-Pa55"  # noqa: S105  planted
ODD = "p@s:s/w%rd'x"
NOWHERE = f"postgresql+psycopg://alice:{SECRET}@127.0.0.1:1/db"


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    monkeypatch.setattr(secrets, "_remembered", set())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"tracking.uri={NOWHERE} ^", "tracking.uri=postgresql+psycopg://alice:***@127.0.0.1:1/db ^"),
        ("postgresql://a:p@ss/w:rd@h/db?sslmode=x&password=hunter2", "postgresql://a:***@h/db?sslmode=x&password=***"),
        ("1http://u:pw@h", "1http://u:***@h"),
        ("https://ghp_abc@example.org/x", "https://***@example.org/x"),
        ("{'uri': 'http://u:pw@h:5000'}", "{'uri': 'http://u:***@h:5000'}"),
        ("mssql://h/db?Pwd=abc&x=1", "mssql://h/db?Pwd=***&x=1"),
        ("databricks://h?access_token=abc", "databricks://h?access_token=***"),
        ("http://127.0.0.1:5000/x lr=0.1", "http://127.0.0.1:5000/x lr=0.1"),
        ("sqlite:////a/b@c", "sqlite:////a/b@c"),
        ("write to a@b.example", "write to a@b.example"),
    ],
)
def test_what_is_shown_of_a_uri(text, shown):
    assert redact(text) == shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text", ["x" * 200_000, "x.-" * 70_000 + "=1", "http://" * 30_000, "a://b:" * 20_000, "?pass" * 40_000]
)
def test_long_words_take_no_longer_than_they_are(text):
    """Redaction takes time proportional to the length of a word; quadratic time would take hours on words this long."""
    assert redact(text) == text
    assert not secrets.has_secrets(text)


def test_a_remembered_secret_is_masked_wherever_it_turns_up():
    remember_secrets_of(f"postgresql://alice:{quote(ODD, safe='')}@h/db")
    for form in (ODD, quote(ODD, safe=""), quote(ODD)):
        assert redact(f"password authentication failed for {form}!") == "password authentication failed for ***!"
    assert redacted({"a": [ODD, 3], "b": {"c": ODD}}) == {"a": ["***", 3], "b": {"c": "***"}}


def forms(secret):
    plain = {secret, quote(secret), quote(secret, safe="")}
    return {text.encode() for text in plain} | {base64.b64encode(text.encode())[:-4] for text in plain}


def planted_in_files(folder):
    """Write a configuration folder with the password in a group's file and in a preset."""
    (folder / "mine/tracking").mkdir(parents=True)
    (folder / "mine/experiment").mkdir()
    body = f"uri: {NOWHERE}\nexperiment: fa_sweep\nmetrics: main\nhistory: auto\n"
    (folder / "mine/tracking/secret.yaml").write_text(body)
    (folder / "mine/experiment/secret.yaml").write_text(f"# @package _global_\ntracking:\n  uri: {NOWHERE}\n")


WAYS = {
    "plain": [f"tracking.uri={NOWHERE}"],
    "quoted": [f'tracking.uri="{NOWHERE}"'],
    "forced": [f'++tracking.uri="{NOWHERE}"'],
    "a mapping": [f'tracking={{uri:"{NOWHERE}"}}'],
    "a group's file": ["--config-dir", "mine", "tracking=secret"],
    "a preset": ["--config-dir", "mine", "+experiment=secret"],
    "the environment": ["tracking.uri=${oc.env:PLANTED}"],
    "a query": [f'tracking.uri="postgresql+psycopg://alice@127.0.0.1:1/db?password={SECRET}"'],
    "a server's user": [f'tracking.uri="http://alice:{SECRET}@127.0.0.1:1"'],
    "percent-encoded": [f'tracking.uri="postgresql+psycopg://alice:{quote(SECRET + "/@")}@127.0.0.1:1/db"'],
    "refused beside it": [f'tracking.uri="{NOWHERE}"', "train.lr=abc"],
    "no URI": [f"tracking.uri=postgresql://alice:{SECRET}@["],
    "an experiment beside it": [f'tracking.uri="{NOWHERE}"', "tracking.experiment=x"],
}
MODES = {
    "sweep": short("seed=0,1"),
    "single run": ["seed=3", "train.steps=51"],
    "plan": ["-m", "seed=0,1", "dry_run=true"],
    "settings": ["--cfg", "job"],
    "settings of Hydra": ["--cfg", "all"],
}


# Passwords in places where none belongs: settings of a run, and the name of an experiment.
MISPLACED = ["tracking.experiment", "task.path", "task.target", "task.content"]


@pytest.mark.parametrize("name", MISPLACED)
@pytest.mark.parametrize("flags", [[], ["-m", "seed=0,1"]], ids=["single run", "sweep"])
def test_a_password_in_another_setting_is_refused_and_not_printed(fa_sweep, capfd, tmp_path, name, flags):
    task = [] if name.startswith("tracking") else ["task=csv", "task.path=data.csv", "task.target=y"]
    (tmp_path / "data.csv").write_text("x,y\n" + "1,0\n2,1\n" * 10)
    assert fa_sweep(*flags, *task, f'{name}="{NOWHERE}"') == 2
    out, err = capfd.readouterr()
    assert f"{name} holds a password" in err
    assert SECRET not in out + err
    assert {path.name for path in tmp_path.iterdir()} == {"data.csv"}


# `make test` runs each way of giving a password once, and each kind of command with a few of them.
PLANTED = [
    pytest.param(way, mode, marks=[] if (row + column) % len(MODES) == 0 else [pytest.mark.slow])
    for row, way in enumerate(WAYS)
    for column, mode in enumerate(MODES)
]


@pytest.mark.parametrize(("way", "mode"), PLANTED)
def test_no_byte_written_or_printed_holds_the_password(fa_sweep, capfd, monkeypatch, tmp_path, way, mode):
    planted_in_files(tmp_path)
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    monkeypatch.setenv("PLANTED", NOWHERE)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    arguments = MODES[mode]
    first = [a for a in WAYS[way] if a.startswith("--") or a == "mine"]
    fa_sweep(*first, *arguments, *(a for a in WAYS[way] if a not in first))
    said = "".join(capfd.readouterr())
    written = {p: p.read_bytes() for p in Path().rglob("*") if p.is_file() and p not in before}
    for form in forms(SECRET):
        assert form.decode() not in said
        assert [path for path, content in written.items() if form in content] == []
    for path in written:
        if path.suffix == ".db":
            with sqlite3.connect(path) as connection:
                assert not [row for row in connection.iterdump() if SECRET in row]
    assert os.environ["PLANTED"] == NOWHERE
