"""Neither other programs' environment variables nor the terminal change a number, a figure or the outcome of a run."""

import ast
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from support import databases
from support.commands import short
from support.files import report_contents
from support.places import ROOT

from fa_sweep.sweeping.environment import git
from fa_sweep.sweeping.folder import all_sweeps

SWEEP = (*short("feedback=symmetric,random", "seed=range(2)", "n_jobs=2"), "report=true")
BROKEN_RC = b"font.size: 30\nbackend: nosuch\nno.such.key: 1\naxes.grid: sideways\nsvg.fonttype: none\n\xff\xfe"
FOREIGN = {
    # Jupyter, matplotlib
    "MPLBACKEND": "module://matplotlib_inline.not_installed", "MATPLOTLIBRC": "/nonexistent", "MPLCONFIGDIR": "/proc/nothing",
    # cron, old terminals, CI, containers
    "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "LANG": "", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "No/Where",
    "HOME": "/proc/nothing", "XDG_CONFIG_HOME": "/proc/nothing", "XDG_CACHE_HOME": "/proc/nothing",
    "COLUMNS": "1", "LINES": "0", "TERM": "dumb", "FORCE_COLOR": "1", "NO_COLOR": "1", "TTY_COMPATIBLE": "1",
    "TTY_INTERACTIVE": "1",
    # Python's own
    "PYTHONOPTIMIZE": "2", "PYTHONWARNINGS": "error", "PYTHONHASHSEED": "7", "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1",
    # another program's settings of Hydra and MLflow
    "HYDRA_MAIN_MODULE": "os", "HYDRA_DEPRECATION_WARNINGS_AS_ERRORS": "1", "SELF_WARNING_AS_ERROR": "1",
    "MLFLOW_EXPERIMENT_NAME": "theirs", "MLFLOW_EXPERIMENT_ID": "77", "MLFLOW_RUN_ID": "0123456789abcdef0123456789abcdef",
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "true", "MLFLOW_REGISTRY_URI": "sqlite:////proc/x", "MLFLOW_WORKSPACE": "theirs",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "true", "MLFLOW_DEFAULT_ARTIFACT_ROOT": "/proc/x", "MLFLOW_LOGGING_LEVEL": "DEBUG",
    # numerical libraries, and git's variables as set in a hook
    "OMP_NUM_THREADS": "garbage", "OPENBLAS_NUM_THREADS": "3", "MKL_NUM_THREADS": "0", "NUMEXPR_MAX_THREADS": "garbage",
    "GIT_DIR": "/nonexistent", "GIT_WORK_TREE": "/", "GIT_INDEX_FILE": "/nonexistent", "SOURCE_DATE_EPOCH": "1",
}  # fmt: skip


def run(folder, *arguments, module="fa_sweep", **keywords):
    keywords = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **keywords}
    return subprocess.run([sys.executable, "-m", module, *arguments], cwd=folder, timeout=500, **keywords)


def histories(folder):
    """Return the metrics of every run as bytes, by run id."""
    found = {}
    for sweep in all_sweeps(folder / "outputs"):
        for run_id, record in sweep.records(folder / "outputs").items():
            found[run_id] = {name: values.tobytes() for name, values in record.metrics.items()}
    return found


def tracked(folder):
    """Return the number of runs in each state, and the names of the experiments, in a folder's MLflow database."""
    store = sqlite3.connect(folder / "outputs/mlflow.db")
    try:
        states = dict(store.execute("select status, count(*) from runs group by status").fetchall())
        return states, {name for (name,) in store.execute("select name from experiments")}
    finally:
        store.close()


@pytest.fixture(scope="module")
def plain(tmp_path_factory, empty_database):
    folder = tmp_path_factory.mktemp("plain")
    databases.place(empty_database, folder)
    done = run(folder, *SWEEP)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.mark.slow
def test_all_that_others_set_changes_nothing(tmp_path, plain):
    (tmp_path / "matplotlibrc").write_bytes(BROKEN_RC)
    (tmp_path / "hydra_plugins").mkdir()
    (tmp_path / "hydra_plugins/__init__.py").touch()
    temporary = tmp_path / ("long" * 50)
    temporary.mkdir()
    done = run(tmp_path, *SWEEP, env={**os.environ, **FOREIGN, "TMPDIR": str(temporary)})
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert re.search(r"^symmetric +2 +", done.stdout, re.MULTILINE)
    assert histories(tmp_path) == histories(plain)
    assert tracked(tmp_path) == tracked(plain)
    ours, theirs = (next((folder / "outputs/reports").iterdir()) / "figures" for folder in (plain, tmp_path))
    assert report_contents(ours) == report_contents(theirs)
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_a_configuration_of_matplotlib_that_works_changes_no_figure_either(tmp_path, plain):
    (tmp_path / "matplotlibrc").write_text("font.size: 30\naxes.grid: False\nsvg.fonttype: none\nlines.linewidth: 9\n")
    sweep = all_sweeps(plain / "outputs")[0]
    done = run(tmp_path, "--sweep", str(sweep.folder), "--no-attach", "--out", "here", module="analysis")
    assert (done.returncode, done.stderr) == (0, "")
    assert report_contents(tmp_path / "here/figures") == report_contents(plain / "outputs/reports" / sweep.id / "figures")


@pytest.mark.slow
def test_a_report_leaves_matplotlib_as_its_user_has_it(plain, tmp_path, monkeypatch):
    import matplotlib

    from fa_sweep.report.report import write_report

    monkeypatch.chdir(plain)
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 31)
    before = dict(matplotlib.rcParams)
    write_report(all_sweeps()[0], tmp_path / "report")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirected", "status", "said"),
    [
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
        ("| head -1", 0, ""),
        ("2>/dev/full", 0, ""),
        (">/dev/full", 1, "fa_sweep: the standard output could not be written: No space left on device; nothing else is lost"),
    ],
)
def test_a_run_s_end_does_not_depend_on_its_terminal(plain, redirected, status, said):
    seed = str(1000 + sum(map(ord, redirected)))
    command = f'"$@" {redirected}; ' + ("exit ${PIPESTATUS[0]}" if "|" in redirected else "")
    arguments = [sys.executable, "-m", "fa_sweep", f"seed={seed}", "train.steps=101", "train.hold=1"]
    done = subprocess.run(["bash", "-c", command, "bash", *arguments], cwd=plain, capture_output=True, text=True, timeout=500)
    assert (done.returncode, done.stderr[: len(said) or 1]) == (status, said)
    sweep = all_sweeps(plain / "outputs")[-1]
    assert sweep.jobs[0].run.seed == int(seed)
    assert len(sweep.records(plain / "outputs")) == 1
    assert sweep.tracked["run_id"]
    assert tracked(plain)[0].keys() == {"FINISHED"}


@pytest.mark.slow
@pytest.mark.parametrize("level", ["1", "2"])
def test_the_parser_works_without_assertions(tmp_path, level):
    values = ("seed=range(3)", "feedback=choice(random,symmetric)", "train.lr=sort(0.1,0.2)", "init.scale=interval(0,1)")
    done = run(tmp_path, "-m", *values[:3], "dry_run=true", env={**os.environ, "PYTHONOPTIMIZE": level})
    assert done.returncode == 0, done.stderr
    assert "jobs       12" in done.stdout
    done = run(tmp_path, "-m", *values, env={**os.environ, "PYTHONOPTIMIZE": level})
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_folders_belong_to_their_owner_whatever_the_mask(tmp_path):
    shell = 'umask 777; exec "$@"'
    arguments = [
        sys.executable,
        "-m",
        "fa_sweep",
        "-m",
        "seed=0,1",
        "train.steps=11",
        "train.hold=1",
        "report=false",
        "n_jobs=1",
    ]
    subprocess.run(["sh", "-c", shell, "sh", *arguments], cwd=tmp_path, capture_output=True, check=True, timeout=500)
    for path in tmp_path.rglob("*"):
        assert path.stat().st_mode & 0o600 == 0o600, path
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("launcher", [(), ("-m", "hydra/launcher=basic", "report=false")], ids=["run", "sweep"])
def test_chdir_makes_no_difference_to_where_results_are(fa_sweep, tmp_path, capfd, launcher):
    arguments = (*launcher, "seed=1", "train.steps=101", "train.hold=1", "hydra.job.chdir=true")
    assert fa_sweep(*arguments) == 0
    assert Path.cwd() == tmp_path
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("mlflow.db")] == [Path("outputs/mlflow.db")]
    assert fa_sweep(*arguments[:-1]) == 0
    out = capfd.readouterr().out
    assert "(from the ledger)" in out or "1 reused, nothing to train" in out


@pytest.mark.parametrize("name", ["hydra_plugins/__init__.py", "hydra_plugins.py"])
def test_plugins_of_the_working_folder_do_not_hide_ours(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    done = run(tmp_path, "-m", "seed=0,1", "dry_run=true")
    assert done.returncode == 0, done.stderr
    path.write_text("import nothing_of_the_kind")
    done = run(tmp_path, "-m", "seed=0,1", "dry_run=true")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert str(path) in line
    assert "nothing_of_the_kind" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ("feedback=random", "-m", "seed=1,2", "dry_run=true"),
        ("feedback=random", "--multirun", "dry_run=true", "--config-name", "config", "seed=1,2"),
        ("dry_run=true", "seed=1,2", "-m", "feedback=random"),
    ],
)
def test_flags_may_stand_anywhere(fa_sweep, capfd, arguments):
    assert fa_sweep(*arguments) == 0
    assert "jobs       2" in capfd.readouterr().out


def test_the_commit_is_that_of_the_program_in_a_hook_too(monkeypatch):
    before = git()
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    assert git() == before


def test_files_have_an_encoding_of_their_own():
    """Every file is opened with an explicit encoding, because the locale's default differs between a terminal and cron."""
    wrong = []
    for package in ("fa_sweep", "analysis", "hydra_plugins"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _opens_text(node) and not any(k.arg == "encoding" for k in node.keywords):
                    wrong.append(f"{path}:{node.lineno}")
    assert wrong == []


def _opens_text(call):
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    modes = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    if name == "open" and isinstance(call.func, ast.Name):
        return not any("b" in str(mode) for mode in modes[-1:])
    return name == "read_text" or (name == "write_text" and len(call.args) == 1)
