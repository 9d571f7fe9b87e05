"""The limits of MLflow's tables on names, texts and users."""

import pwd

from support.store import sql

from fa_sweep.tracking import content
from fa_sweep.tracking.limits import clean
from fa_sweep.tracking.limits import short as shortened


def test_a_user_without_a_name(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)

    def nobody(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    content._user.cache_clear()
    try:
        assert content._user().isdigit()
    finally:
        content._user.cache_clear()


def test_long_names_are_cut_and_kept_apart(fa_sweep):
    """Names of runs are cut to the 250 characters that PostgreSQL accepts, and stay distinct."""
    steps = ",".join(map(str, range(100)))
    assert (
        fa_sweep("-m", f"train.eval_at=[{steps}],[{steps},101]", "seed=1", "train.steps=120", "train.hold=1", "report=false")
        == 0
    )
    names = [name for (name,) in sql("SELECT name FROM runs")]
    assert max(map(len, names)) == 250
    assert len(set(names)) == len(names) == 5  # the parent, two groups and two runs
    whole = [value for (value,) in sql("SELECT value FROM tags WHERE key = 'fa_sweep.name'")]
    assert len(whole) == 4
    assert all(len(value) > 250 for value in whole)
    from fa_sweep.report.mlflow_frames import from_mlflow

    frames = from_mlflow("sqlite:///outputs/mlflow.db", "fa_sweep")
    assert len(frames.about.failed) == 0


def test_texts_that_no_database_takes():
    assert clean("a\0b\udcffc") == "a\\x00b\\udcffc"
    assert shortened("x" * 250, 250) == "x" * 250
    assert len(shortened("x" * 251, 250)) == 250
    assert shortened("x" * 251, 250) != shortened("x" * 252, 250)
