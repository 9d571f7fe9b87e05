"""Tracking URIs: what they name, which setting they come from, and folders with a URI's special characters in their names."""

import os
import re
import shutil
from pathlib import Path

import pytest
from support.commands import short

from fa_sweep.errors import ConfigError
from fa_sweep.sweeping.folder import all_sweeps
from fa_sweep.tracking.claims import store_of
from fa_sweep.tracking.content import RunContent
from fa_sweep.tracking.stores import open_store
from fa_sweep.tracking.stores.artifacts import Home
from fa_sweep.tracking.stores.client import ClientStore
from fa_sweep.tracking.stores.connection import connect
from fa_sweep.tracking.uris import absolute, choose, public, same_store, sqlite_file, sqlite_uri

NAMES = (
    "a?b", "a#b", "a%20b", "100%", "a b", "it's", 'a"b', "é", "new\nline", "~", "back\\slash", "dot.", "a:b@c", "a&b=c", "$x",
    "`x`", "*", "[x]", "-x", "😀", ";x", "a?b=c", "a%3Fb", "%zz", os.fsdecode(b"\xff\xfe"), "x" * 200,
)  # fmt: skip
CONTENT = RunContent("n", "FINISHED", 5, 6, {}, {"fa_sweep.sweep": "s", "fa_sweep.kind": "sweep", "mlflow.user": "u"}, [])


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("through", ["tables", "client"])
def test_any_folder_keeps_its_own_database_and_artifacts(tmp_path, monkeypatch, empty_database, name, through):
    if through == "client" and not name.isprintable():
        pytest.skip("MLflow's own client takes no folder whose name is not UTF-8")
    here = tmp_path / name
    (here / "outputs").mkdir(parents=True)
    shutil.copyfile(empty_database, here / "outputs/mlflow.db")
    monkeypatch.chdir(here)
    uri = choose("auto").uri
    assert sqlite_file(uri) == here / "outputs/mlflow.db"
    assert absolute(uri) == uri
    if through == "tables":
        store = open_store(uri, "it's ünusual", Path("outputs"))
    else:
        store = ClientStore(connect(uri), uri, Home(Path("outputs"), "it's ünusual"))
    run_id = store.begin(CONTENT)
    store.write_text(run_id, "text", "a.txt")
    store.end(run_id, CONTENT, {"more": "x"})
    (found,) = store.find({"fa_sweep.sweep": "s"})
    store.close()
    assert (found.status, found.tags["more"]) == ("FINISHED", "x")
    assert [path.read_text() for path in (here / "outputs/artifacts").rglob("a.txt")] == ["text"]
    assert os.listdir(tmp_path) == [name]
    assert sorted(os.listdir("outputs")) == ["artifacts", "mlflow.db"]
    if name.isprintable():
        assert [file.path for file in connect(uri).list_artifacts(run_id)] == ["a.txt"]


@pytest.mark.parametrize("name", ["my%20project", "why?", "#1"])
def test_a_sweep_in_a_folder_with_such_a_name(fa_sweep, tmp_path, monkeypatch, capfd, name):
    (tmp_path / name).mkdir()
    command = short("seed=0,1")
    assert fa_sweep(*command) == 0  # also in the folder above, so that a mix-up would be noticed
    monkeypatch.chdir(tmp_path / name)
    assert fa_sweep(*command) == 0
    assert "MLflow: 2 runs under parent run" in capfd.readouterr().out
    assert Path("outputs/mlflow.db").exists()
    assert sorted(os.listdir(tmp_path)) == sorted(["outputs", name])


def test_what_a_uri_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    (tmp_path / "a%20b").mkdir()
    for uri, file in (
        ("sqlite:///x.db", tmp_path / "x.db"),
        ("sqlite:////a/x.db?timeout=5", Path("/a/x.db")),
        ("sqlite:////a%3Fb/x.db", Path("/a?b/x.db")),
        ("sqlite:////a?b/x.db", Path("/a?b/x.db")),  # "b/x.db" is no option, so the "?" belongs to the path
        ("sqlite:////a%20b/x.db", Path("/a b/x.db")),
        # The folder of the literal name exists, the folder of the decoded name does not.
        (f"sqlite:///{tmp_path}/a%20b/x.db", tmp_path / "a%20b/x.db"),
        ("sqlite:///~/x.db", Path("/home/me/x.db")),
        ("sqlite:///a~b/x.db", tmp_path / "a~b/x.db"),
        ("sqlite:///:memory:", None),
        ("sqlite:///", None),
        ("sqlite://", None),
        ("http://host", None),
    ):
        assert sqlite_file(uri) == file, uri
    assert sqlite_file(sqlite_uri(Path(os.fsdecode(b"/\xff?%#/x.db")))) == Path(os.fsdecode(b"/\xff?%#/x.db"))


def test_a_store_whose_client_is_not_installed_is_refused(monkeypatch, fa_sweep, capfd, tmp_path):
    monkeypatch.setattr("fa_sweep.tracking.uris._has_databricks", lambda: False)
    assert fa_sweep("-m", "seed=0,1", "tracking.uri=databricks://me") == 2
    assert "MLflow's client for it is not installed: pip install 'mlflow[databricks]'" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_databricks_profile_has_to_be_there(monkeypatch, tmp_path):
    monkeypatch.setattr("fa_sweep.tracking.uris._has_databricks", lambda: True)
    file = tmp_path / "databrickscfg"
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(file))
    monkeypatch.delenv("DATABRICKS_HOST", raising=False)
    for uri, said in (("databricks://me", "no profile 'me'"), ("databricks://", "set the variable, or write the file")):
        with pytest.raises(ConfigError, match=re.escape(said)):
            choose(uri)
    file.write_text("[me]\nhost = https://example.org\n")
    for uri in ("databricks://me", "databricks://"):
        assert choose(uri).uri == uri
    with pytest.raises(ConfigError, match="no profile 'you'"):
        choose("databricks://you")
    file.write_bytes(b"\xff[")
    with pytest.raises(ConfigError, match="cannot be read"):
        choose("databricks://me")


@pytest.mark.parametrize("uri", ["http:// /", "http://a b/", "https://", "http://%20/", "http://:5000", "http://h:x"])
def test_a_server_without_a_host_is_refused(uri):
    with pytest.raises(ConfigError, match="write sqlite"):
        choose(uri)


def test_an_explicit_uri_wins_then_the_variable_then_the_default(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert choose("auto").shown == "sqlite:///outputs/mlflow.db (default)"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@host:5000")
    assert choose("auto").uri == "http://me:secret@host:5000"
    assert choose("auto").shown == "http://host:5000 (from MLFLOW_TRACKING_URI)"
    assert choose("sqlite:///x.db").shown == "sqlite:///x.db (from tracking.uri)"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")
    with pytest.raises(ConfigError, match=r"^MLFLOW_TRACKING_URI is './mlruns'; MLflow keeps runs in databases and on servers"):
        choose("auto")


@pytest.mark.slow
def test_where_a_uri_came_from_is_printed(fa_sweep, monkeypatch, capfd):
    from support.commands import report as main

    assert fa_sweep(*short("seed=0,1", "dry_run=true")) == 0
    assert "tracking   experiment fa_sweep in sqlite:///outputs/mlflow.db (default)" in capfd.readouterr().out
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///outputs/other.db")
    where = "in sqlite:///outputs/other.db (from MLFLOW_TRACKING_URI)"
    assert fa_sweep(*short("seed=0,1", "dry_run=true")) == 0
    assert where in capfd.readouterr().out
    assert fa_sweep(*short("feedback=symmetric,random", "seed=0,1")) == 0
    assert where in capfd.readouterr().out
    assert fa_sweep(*short("seed=5")[1:]) == 0
    assert where in capfd.readouterr().out
    assert not Path("outputs/mlflow.db").exists()
    assert fa_sweep(*short("seed=5,6", "tracking=local")) == 0
    assert "in sqlite:///outputs/mlflow.db (from tracking.uri)" in capfd.readouterr().out
    assert main(["--format", "md", "--experiment", "fa_sweep"]) == 0
    assert "from sqlite:///outputs/other.db (from MLFLOW_TRACKING_URI)" in capfd.readouterr().err


def test_the_same_store_by_other_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    for one, other in (
        ("sqlite:///x.db", f"sqlite:///{tmp_path}/link/./x.db"),
        ("http://host", "http://me:pw@HOST:80/"),
        ("postgresql+psycopg://a:b@host/db", "postgresql://host:5432/db"),
    ):
        assert same_store(one, other), one
    for one, other in (
        ("http://host", "https://host"),
        ("http://host", "http://host:81"),
        ("postgresql://host/db", "postgresql://host/db2"),
        ("postgresql:///db?host=/a", "postgresql:///db?host=/b"),
        ("sqlite:///x.db", "sqlite:///y.db"),
    ):
        assert not same_store(one, other), one


def test_what_may_be_written_to_for_another_command(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    for place in (here, there):
        (place / "outputs").mkdir(parents=True)
        (place / "outputs/mlflow.db").touch()
    (here / "outputs/out.db").symlink_to(there / "outputs/mlflow.db")
    (there / "elsewhere.db").touch()
    monkeypatch.chdir(here)
    outputs, given = Path("outputs"), "http://me:pw@host"
    own = sqlite_uri(here / "outputs/mlflow.db")
    assert store_of("http://host", given, outputs) == given
    assert store_of("http://evil", given, outputs) is None
    assert store_of("postgresql://evil/db", given, outputs) is None
    assert store_of(own, given, outputs) == own
    assert store_of(f"{own}?vfs=x", given, outputs) == own
    assert store_of(sqlite_uri(there / "outputs/mlflow.db"), given, outputs) == own  # the record of a copied folder
    assert store_of(sqlite_uri(there / "outputs/gone.db"), given, outputs) is None
    assert store_of(sqlite_uri(there / "elsewhere.db"), given, outputs) is None
    assert store_of(sqlite_uri(here / "outputs/out.db"), given, outputs) is None  # a link that leads out of the outputs folder
    assert store_of("sqlite:///outputs/../../there/elsewhere.db", given, outputs) is None
    assert store_of(sqlite_uri(there / "elsewhere.db"), sqlite_uri(there / "elsewhere.db"), outputs) is not None


def test_a_home_folder_is_written_in_full(fa_sweep, monkeypatch, tmp_path):
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert fa_sweep(*short("seed=1", 'tracking.uri="sqlite:///~/mlflow.db"')[1:]) == 0
    assert (tmp_path / "home/mlflow.db").exists()
    assert not (tmp_path / "~").exists()
    assert all_sweeps()[0].tracked


def test_what_is_shown_has_no_secrets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert public("postgresql://me:pw@host:5/db?password=x") == "postgresql://host:5/db"
    assert public("http://me:pw@[broken") == "http://..."
    assert public(sqlite_uri(tmp_path / "x.db")) == "sqlite:///x.db"
