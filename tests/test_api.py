"""The Python interface: same numbers, ids, ledger and refusals as the command line, from threads, and nothing left behind."""

import enum
import gc
import logging
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from support.commands import short
from support.waiting import PATIENCE

import fa_sweep as fa
from fa_sweep.api import _override
from fa_sweep.errors import ConfigError
from fa_sweep.sweeping.folder import all_sweeps
from fa_sweep.tracking.uris import VARIABLE

CHEAP = [word for word in short() if word not in ("-m", "report=false")]


@pytest.fixture(autouse=True)
def _here(with_database, monkeypatch):
    monkeypatch.chdir(with_database)


def test_both_ways_have_one_ledger_and_the_same_bits(fa_sweep):
    assert fa_sweep(*short("feedback=symmetric,random", "seed=range(4)", "train.lr=0.01,0.03")) == 0
    result = fa.sweep(*CHEAP, feedback=["symmetric", "random"], seed=range(4), **{"train.lr": [0.01, 0.03]})
    command, call = all_sweeps()
    assert [(job.run_id, job.id, job.name) for job in call.jobs] == [(job.run_id, job.id, job.name) for job in command.jobs]
    assert all(job.reused for job in call.jobs)
    fresh = fa.sweep(*CHEAP, "resume=false", feedback=["symmetric", "random"], seed=range(4), **{"train.lr": [0.01, 0.03]})
    assert not fresh.sweeps[0].jobs[0].reused
    columns = [name for name in result.runs if name != "reused"]
    assert fresh.runs[columns].equals(result.runs[columns])
    assert fresh.histories.equals(result.histories)


def test_words_and_keywords_are_the_same_sweep():
    words = fa.sweep(*CHEAP, "feedback=symmetric,random", "seed=range(2)", "model.hidden=[3],[4,5]")
    settings = fa.sweep(*CHEAP, feedback=("symmetric", "random"), seed=np.arange(2), **{"model.hidden": [[3], [4, 5]]})
    assert [job.id for job in words.sweeps[0].jobs] == [job.id for job in settings.sweeps[0].jobs]
    assert words.sweeps[0].record.command.startswith("python -m fa_sweep -m train.steps=201 ")
    one = fa.sweep(*CHEAP, seed=np.int64(7), **{"model.hidden": [3, 4], "model.bias": True, "train.lr": np.float64(0.5)})
    (job,) = one.sweeps[0].jobs
    assert (job.run.seed, job.run.model.hidden, job.run.model.bias, job.run.train.lr) == (7, [3, 4], True, 0.5)


Mode = enum.Enum("Mode", {"RANDOM": "random"}, type=str)
Number = enum.IntEnum("Number", {"TWO": 2})
TEXTS = ["the 'best'", "'q'", '"q"', "a\\", "a\\'b", "größe", "null", "true", "True", "nan", "1e3", "a,b", "[1]", " x "]


def test_a_text_arrives_as_it_is():
    for text in TEXTS:
        (override,) = OverridesParser.create().parse_overrides([_override("name", text)])
        value = override.value()
        assert (value.text if isinstance(value, QuotedString) else value) == text


def test_members_of_enumerations_are_what_they_stand_for():
    (job,) = fa.sweep(*CHEAP, feedback=Mode.RANDOM, seed=Number.TWO).sweeps[0].jobs
    assert (job.run.feedback.mode, job.run.seed) == ("random", 2)


def test_a_preset_sweeps_as_on_the_command_line():
    result = fa.sweep(experiment="seed_post", seed=range(2), **{"train.steps": 101})
    assert len(result.sweeps[0].jobs) > 2
    assert result.sweeps[0].record.preset == "seed_post"


REFUSED = [
    ({"train.lr": -1}, "train.lr is -1"),
    ({"feedback": "nope"}, "feedback is 'nope'"),
    ({"feedback": "symmetric,random"}, "feedback"),
    ({"nothing": 3}, "nothing"),
    ({"seed": []}, "seed is an empty list"),
    ({"train": {"lr": 3}}, "train is a mapping"),
    ({"seed": object()}, "seed is <object"),
    ({"dtype": np.float32}, "dtype is <class"),
    ({"seed": "x"}, "seed"),
    ({"dry_run": True}, "dry_run=true trains nothing"),
    ({"seed": range(0)}, "seed"),
    ({"name": "a\nb"}, "name"),
    ({"tracking.uri": "nonsense"}, "tracking.uri"),
]


@pytest.mark.parametrize(("settings", "said"), REFUSED, ids=[str(list(settings)) for settings, _ in REFUSED])
def test_a_refusal_is_one_line_and_nothing_is_written(settings, said):
    before = sorted(Path().rglob("*"))
    with pytest.raises(ConfigError) as refused:
        fa.sweep(**settings)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("word", ["--help", "--config-dir=x", "seed", "seed=", "+experiment=a,b", "train.lr=[", "lr=0.1"])
def test_bad_words_are_refused(word):
    with pytest.raises(ConfigError) as refused:
        fa.sweep(word)
    assert "\n" not in str(refused.value)


def test_failed_runs_are_in_the_result(monkeypatch, capfd):
    import fa_sweep.sweeping.work as work

    def fail(*_):
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(work, "train", fail)
    result = fa.sweep(*CHEAP, seed=range(2), n_jobs=1)
    assert set(result.failures) == {"random-s000", "random-s001"}
    assert "broken on purpose" in result.failures["random-s000"]
    assert len(result.runs) == 0
    assert "2 of 2 runs failed" in capfd.readouterr().err


def test_it_prints_only_progress_and_problems(capfd):
    fa.sweep(*CHEAP, seed=range(2))
    fa.sweep(*CHEAP, seed=range(2))
    out, err = capfd.readouterr()
    assert [line for line in out.splitlines() if "training" not in line] == []
    assert err == ""


def test_queries_and_lists():
    fa.sweep(*CHEAP, feedback=["symmetric", "random"], seed=range(3), name="one")
    frame = fa.runs("task.name == 'xor' and feedback.mode == 'random'")
    assert frame["seed"].tolist() == [0, 1, 2]
    assert fa.sweeps().loc[0, "name"] == "one"
    assert fa.load().name == "one"
    with pytest.raises(ConfigError):
        fa.runs("nothing == 1")
    with pytest.raises(ConfigError, match=r"did you mean feedback\.mode"):
        fa.runs("feedback == 'random'")
    with pytest.raises(ConfigError, match="too long"):
        fa.runs("seed == " + "9" * 5000)
    assert fa.runs("seed == 99")["outcome"].tolist() == []


def test_a_result_is_read_from_any_folder(tmp_path_factory, monkeypatch):
    fa.sweep(*CHEAP, seed=range(2), name="one")
    result = fa.load("one")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert len(result.runs) == 2
    assert result.name == "one"
    assert result.report(formats="md").exists()
    assert list(Path().iterdir()) == []


def test_figures_are_drawn_once_and_unknown_documents_are_refused():
    result = fa.sweep(*CHEAP, seed=range(2))
    assert result.plot.survival() is result.plot.survival()
    with pytest.raises(ConfigError, match="formats"):
        result.report(formats=["pdf"])


def test_calls_from_threads_take_their_turns():
    errors, results = [], {}

    def call(number):
        try:
            results[number] = fa.sweep(*CHEAP, feedback=["symmetric", "random"], seed=range(number, number + 3))
            assert len(results[number].runs) == 6
            results[number].summary()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(results) == [0, 1, 2, 3]
    assert len(fa.runs()) == 12


def state():
    import matplotlib as mpl
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf
    from omegaconf.basecontainer import BaseContainer

    import hydra_plugins

    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "arguments": list(sys.argv),
        "streams": (sys.stdout, sys.stderr),
        "main": sys.modules["__main__"],
        "warnings": list(warnings.filters),
        "matplotlib": dict(mpl.rcParams),
        "hydra": GlobalHydra.instance().is_initialized(),
        "job": HydraConfig.instance().cfg is None,
        "fresh_id": OmegaConf.has_resolver("fresh_id"),
        "resolvers": sorted(BaseContainer._resolvers),
        "plugins": list(hydra_plugins.__path__),
        "threshold": gc.get_threshold(),
        "umask": os.umask(os.umask(0o22)),
    }


def test_nothing_global_is_left_behind():
    fa.sweep(*CHEAP, seed=range(2))  # what is imported for good, such as matplotlib's own defaults
    fa.load().report(formats=["md"])
    before = state()
    fa.sweep(*CHEAP, seed=range(2, 4), report=True)
    fa.load().plot.survival()
    with pytest.raises(ConfigError):
        fa.sweep(seed="x")
    assert state() == before


def test_what_mlflow_needs_does_not_stay(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    import mlflow  # noqa: F401

    logger = logging.getLogger("mlflow")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        fa.sweep(*CHEAP, seed=range(2))
        assert logger.level == logging.WARNING
    finally:
        logger.setLevel(before)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_thirty_calls_leak_nothing():
    def descriptors():
        gc.collect()
        return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0

    for seed in range(3):
        fa.sweep(*CHEAP, seed=seed)
    before = descriptors(), threading.active_count()
    for seed in range(30):
        fa.sweep(*CHEAP, feedback="symmetric", seed=seed)
    assert (descriptors(), threading.active_count()) == before


SCRIPT = """
import fa_sweep as fa

result = fa.sweep("train.steps=201", "train.eval_every=50", feedback=["symmetric", "random"], seed=range(6), n_jobs=2)
print("runs:", len(result.runs))
"""


def test_a_script_without_a_main_guard_trains_in_processes(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("runs: 12") == 1
    assert done.stderr == ""


def test_no_password_is_in_what_led_to_a_refusal():
    with pytest.raises(ConfigError) as refused:
        fa.sweep(**{"tracking.url": "http://user:s3cret-w0rd@h"})
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


def test_no_password_is_written_or_shown(monkeypatch, capfd):
    monkeypatch.setenv(VARIABLE, "postgresql://user:s3cret-w0rd@127.0.0.1:1/x")
    with pytest.raises(ConfigError) as refused:
        fa.sweep(*CHEAP, seed=range(2), **{"train.lr": "postgresql://user:0ther-s3cret@h/x"})
    written = b"".join(path.read_bytes() for path in Path().rglob("*") if path.is_file())
    shown = str(refused.value) + "".join(capfd.readouterr())
    for secret in ("s3cret-w0rd", "0ther-s3cret"):
        assert secret not in shown
        assert secret.encode() not in written


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_forked_during_another_thread_s_call_does_not_wait_for_it():
    from fa_sweep.results.lock import LOCK

    held, done = threading.Event(), threading.Event()

    def hold():
        with LOCK:
            held.set()
            done.wait(PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(PATIENCE)
    child = os.fork()
    if not child:
        os._exit(0 if LOCK.acquire(blocking=False) else 1)
    status = os.waitpid(child, 0)[1]
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0


def test_no_server_of_processes_is_left():
    from multiprocessing import forkserver

    server = forkserver._forkserver
    server._stop()  # another test's
    fa.sweep(*CHEAP, feedback=["symmetric", "random"], seed=range(6), n_jobs=2)
    assert server._forkserver_pid is None
    assert len(fa.sweep(*CHEAP, feedback=["symmetric", "random"], seed=range(6, 12), n_jobs=2).runs) == 12


@pytest.mark.parametrize("name", ["${seed}", "${oc.env:HOME}", "x${y", "50 %", "a,b", "'q'", "null"])
def test_a_text_from_python_is_taken_literally(name):
    assert fa.sweep(*CHEAP, seed=0, name=name).name == name


def test_arguments_of_the_wrong_kind_get_one_line():
    for call in (lambda: fa.load(["a", "b"]), lambda: fa.load(None), lambda: fa.load(3), lambda: fa.runs(3)):
        with pytest.raises(ConfigError):
            call()
