"""A signal at any moment ends a command with one line and the signal's exit status, and leaves no process behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from support import databases
from support.commands import short
from support.places import TESTS
from support.waiting import PATIENCE

from fa_sweep.process import signals

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
SWEEP = ("-m", "fa_sweep", *short("seed=0,1", "n_jobs=1"))
REPORT = ("-m", "fa_sweep", *short("seed=0,1", "n_jobs=1"), "report=true")
SHARDS = "finished shards are kept, the same command goes on from there"
NOTHING = "nothing was begun"
REPORTED = "finished runs are kept; python -m fa_sweep report SWEEP writes the report"
STORE = "finished runs are kept, the same command brings them into MLflow"


def run(arguments, folder, at, *, before=None):
    """Run Python with signals sent to it at a chosen audit event, and assert that no process of its session is left.

    Args:
        arguments: Arguments of Python.
        folder: The working folder.
        at: (name of the audit event, word in its arguments, number of the event among these, from 1, *signals); see
            startup/sitecustomize.py.
        before: Function to call in the new process before it becomes Python.

    Returns:
        Exit status, standard output and standard error.
    """
    note = folder / "sent"
    variables = {**os.environ, "PYTHONPATH": str(TESTS / "startup"), "MLFLOW_DISABLE_TELEMETRY": "true"}
    variables |= {"SIGNAL_AT": ",".join(str(int(a)) if isinstance(a, int) else a for a in at), "SIGNAL_SENT": str(note)}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=before,
    )
    out, err = process.communicate(timeout=500)  # returns once no process holds either stream open
    assert note.exists(), f"the moment never came; {out} {err}"
    assert nobody_left(process.pid)
    return process.returncode, out, err


def nobody_left(session):
    """Wait up to 5 s until no process of a session is left, because killed processes take a moment to disappear."""
    for _ in range(500):
        if not of_session(session):
            return True
        time.sleep(0.01)
    raise AssertionError(of_session(session))


def of_session(session):
    """Return the command lines of a session's processes, except zombies."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, of = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(of) == session and state != "Z":
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def assert_ended(done, number, said, name="fa_sweep"):
    status, _, err = done
    assert (status, err) == (128 + number, f"{name}: interrupted; {said}\n")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, empty_database):
    """A folder whose ledger and MLflow database already hold the sweep."""
    folder = tmp_path_factory.mktemp("trained")
    databases.place(empty_database, folder)
    subprocess.run([sys.executable, *SWEEP], cwd=folder, check=True, capture_output=True, timeout=500)
    return folder


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (("import", "'fa_sweep.process.signals'", 1, INT), NOTHING),
        (("import", "'fa_sweep.process.surroundings'", 1, TERM), NOTHING),
        (("import", "_multiarray_umath", 1, INT), NOTHING),
        pytest.param(("import", "pyarrow.lib", 1, HUP), NOTHING, marks=pytest.mark.slow),
        (("open", "config.yaml", 1, INT, INT), NOTHING),
        (("open", ".jobs.parquet", 1, TERM), SHARDS),
        (("os.rename", "sweep.json", 1, INT, TERM), SHARDS),
        (("import", "'sqlalchemy'", 1, INT), STORE),
        pytest.param(("sqlite3.connect", "mlflow.db", 1, TERM, TERM, TERM), STORE, marks=pytest.mark.slow),
    ],
    ids=lambda value: "-".join(map(str, value[:2])) if isinstance(value, tuple) else "",
)
def test_a_sweep_in_one_process(tmp_path, at, said):
    assert_ended(run(SWEEP, tmp_path, at), at[3], said)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "said"),
    [
        (("sqlite3.connect", "mlflow.db", 2, INT), "finished runs are kept"),
        (
            ("import", "matplotlib.ft2font", 1, INT),
            "finished runs are kept; python -m fa_sweep report SWEEP writes the report",
        ),
        (("open", "report.html'", 1, HUP), REPORTED),
    ],
    ids=lambda value: "-".join(map(str, value[:2])) if isinstance(value, tuple) else "",
)
def test_a_report(tmp_path, trained, at, said):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    status, out, err = run(REPORT, tmp_path, at)
    assert status == 128 + at[3], err
    (line,) = err.splitlines()
    sweep = re.search(r"sweep (\S+):", out)[1]
    assert line.startswith(f"fa_sweep: interrupted; {said.replace('SWEEP', sweep)}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "at"),
    [
        (("seed=1", "train.steps=101", "train.hold=1"), ("os.rename", "sweep.json", 1, INT)),
        (("seed=1", "dry_run=true"), ("import", "'pyarrow.lib'", 1, INT)),
        (("--help",), ("open", "help", 1, TERM)),
        (("+experiment=seed_post", "train.steps=11", "n_jobs=1"), ("os.rename", "jobs.parquet", 1, INT)),
    ],
    ids=lambda value: value[0],
)
def test_every_way_to_call_it(tmp_path, arguments, at):
    status, _, err = run(("-m", "fa_sweep", *arguments), tmp_path, at)
    assert status == 128 + at[3]
    assert re.fullmatch(r"(warning: .*\n)?fa_sweep: interrupted; .*\n", err)


@pytest.mark.slow
@pytest.mark.parametrize("at", [("import", "'numpy'", 1, TERM), ("open", "outcomes.csv", 1, INT)], ids=str)
def test_the_analysis_alone(tmp_path, trained, at):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    assert_ended(run(("-m", "analysis"), tmp_path, at), at[3], "the same command writes the report anew", "fa_sweep")


def test_between_training_and_tracking_the_runs_are_kept(fa_sweep, tmp_path, capfd):
    assert run(SWEEP, tmp_path, ("import", "'sqlalchemy'", 1, INT))[0] == 130
    assert fa_sweep(*SWEEP[2:]) == 0
    assert "2 jobs, 2 reused, nothing to train" in capfd.readouterr().out


@pytest.mark.slow
def test_a_signal_that_is_ignored_stays_ignored(tmp_path):
    def ignore():
        signal.signal(INT, signal.SIG_IGN)

    arguments = ("-m", "fa_sweep", "seed=1", "dry_run=true")
    status, out, err = run(arguments, tmp_path, ("import", "'hydra.main'", 1, INT), before=ignore)
    assert (status, err) == (0, "")
    assert "jobs       1" in out


SWALLOWED = """
import os, signal, sys
from fa_sweep.process.signals import finished, meanwhile, take_over
take_over("it")
meanwhile("so far, so good")
class Trap:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.mark.parametrize(
    "code",
    [
        "Trap()",
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\nexcept BaseException:\n    pass",
        "import atexit; atexit.register(os.kill, os.getpid(), signal.SIGINT)",
        "import threading; threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()\nwhile True: pass",
        "sys.setprofile(lambda *a: os.kill(os.getpid(), signal.SIGINT)); len([])",
        # The main thread blocks the signal and waits for ever.
        "import threading; signal.pthread_sigmask(signal.SIG_BLOCK, [2]); a = threading.Lock(); a.acquire()\n"
        "os.kill(os.getpid(), signal.SIGINT); a.acquire()",
        # The child ignores these signals, and has a child of its own.
        "import subprocess; c = subprocess.Popen(['sh', '-c', 'trap : INT TERM HUP; sleep 1000; sleep 1000'], stdout=-1)\n"
        "os.kill(os.getpid(), signal.SIGINT); c.wait()",
        "from fa_sweep.process.signals import held\n"
        "with held():\n    os.kill(os.getpid(), signal.SIGINT); print('held', flush=True)",
    ],
)
def test_no_signal_is_swallowed(code):
    process = subprocess.Popen(
        [sys.executable, "-c", f"{SWALLOWED}\n{code}\nprint('on and on')"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130, "it: interrupted; so far, so good\n")
    assert ("held" in out) == ("held" in code)
    assert "on and on" not in out or "atexit" in code
    assert nobody_left(process.pid)


def test_what_is_finished_keeps_its_status():
    code = (
        f"{SWALLOWED}\nimport atexit; atexit.register(os.kill, os.getpid(), signal.SIGINT); print('all'); sys.exit(finished(7))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (7, "all\n", "")


def test_children_that_are_not_ours_are_left_alone():
    """A child that the command inherits survives: a shell, such as a container's entry point, started it before its exec."""
    code = f"{SWALLOWED}\nos.kill(os.getpid(), signal.SIGTERM)"
    shell = 'sleep 1000 >/dev/null 2>&1 & echo $!; exec "$@"'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 143
    os.kill(int(done.stdout), signal.SIGKILL)  # raises an error if the child is gone


def test_what_is_undone_by_a_signal(tmp_path):
    code = f"{SWALLOWED}\nfrom fa_sweep.process.signals import undone_by_signal\n"
    code += "with undone_by_signal(lambda: open('note', 'w')), undone_by_signal(lambda: 1 / 0): signal.raise_signal(2)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path)
    assert done.returncode == 130
    assert (tmp_path / "note").exists()


def test_imports_and_callers_in_the_same_process_keep_their_handlers(fa_sweep):
    before = [signal.getsignal(number) for number in (INT, TERM, HUP)]
    assert fa_sweep("seed=x") == 2
    assert [signal.getsignal(number) for number in (INT, TERM, HUP)] == before
    code = "import signal; b = [*map(signal.getsignal, (1, 2, 15))]\n"
    code += "import fa_sweep.__main__, fa_sweep.cli.entry, fa_sweep.process.signals, fa_sweep.api\n"
    code += "import fa_sweep.cli.verbs.report, fa_sweep.report.report\n"
    code += "assert b == [*map(signal.getsignal, (1, 2, 15))]; assert signal.set_wakeup_fd(-1) == -1"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE)


def test_a_caller_in_the_same_process_gets_an_interrupt_as_a_status(fa_sweep, capfd, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("fa_sweep.cli.application.create_sweep", interrupt)
    assert fa_sweep(*short("seed=0,1")) == 130
    assert capfd.readouterr().err == f"fa_sweep: interrupted; {SHARDS}\n"


def test_both_names_of_the_command_begin_with_the_handlers():
    scripts = tomllib.loads((TESTS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert scripts == {"fa-sweep": "fa_sweep.__main__:command"}
    code = "import sys; from fa_sweep.__main__ import command; print(sorted(m for m in sys.modules if 'fa_sweep' in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert done.stdout == "['fa_sweep', 'fa_sweep.__main__']\n"


def test_all_that_a_signal_waits_for_is_over_in_time():
    assert signals.GRACE_S < signals.LIMIT_S <= 1.5
