"""A run's id depends on the code that computes the run: edited code changes it, and the release's own code adds nothing."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from support.places import ROOT

from fa_sweep.errors import ConfigError
from fa_sweep.settings import sources
from fa_sweep.settings.identity import run_id, sources_of
from fa_sweep.sweeping.failures import failure
from fa_sweep.sweeping.work import Work, train_runs, try_to_train

MINE = '''
from fa_sweep.feedback import FeedbackConfig, FeedbackMode
from factors import FACTOR


class Mine(FeedbackMode[FeedbackConfig]):
    """A multiple of the forward weights, as they are now."""

    def __init__(self, lanes, forward):
        super().__init__(lanes, forward)
        self.refresh()

    def refresh(self):
        self.matrices = [FACTOR * weight for weight in self.forward.weights[1:]]


MODE = Mine
'''
IDS = """
import sys
from fa_sweep import compose
from fa_sweep.settings.identity import run_id
for settings in sys.argv[1:]:
    print(run_id(compose(*settings.split())))
"""
RUNS = {
    "mine": "feedback=mine",
    "random": "feedback=random",
    "direct": "feedback=direct",
    "sign_direct": "feedback=sign_direct",
    "parity": "feedback=random task=parity",
    "numba": "feedback=random engine=numba",
}
EVERY = set(RUNS)
EDITS = {  # the edited file, and the runs whose ids change
    "fa_sweep/feedback/mine.py": {"mine"},
    "own/factors.py": {"mine"},
    "fa_sweep/feedback/direct.py": {"direct", "sign_direct"},  # sign_direct builds on direct
    "fa_sweep/tasks/parity.py": {"parity"},
    "fa_sweep/engine/compiled.py": {"numba"},
    "fa_sweep/models/fully_connected.py": EVERY,
    "fa_sweep/feedback/_base.py": EVERY,
    "fa_sweep/cli/console.py": set(),
    "fa_sweep/sweeping/division.py": set(),
    "own/unrelated.py": set(),
}


def test_the_manifest_has_the_engines():
    """The manifest lists these modules. If a name in `sources` were mistyped, edits of that module would go unnoticed."""
    assert {sources.ENGINE, sources.COMPILED, "fa_sweep.engine.stack", "fa_sweep.numerics.streams"} <= sources.manifest().keys()


def test_the_manifest_lists_the_sources_as_they_are():
    """The manifest matches the sources. After an edit, run `make manifest`, which first checks that no number has changed."""
    from benchmarks.manifest import listed

    assert json.loads(sources.MANIFEST.read_text()) == listed(), "sources that decide numbers were edited: run make manifest"


def test_a_manifest_is_written_only_where_other_numbers_have_other_ids():
    from benchmarks.manifest import compared

    before = {
        "kept": ["a", {"all": 2}], "changed": ["b", {"all": 2}], "renamed": ["c", {"all": 2}], "all": ["d", {"all": 2}],
        "refused": ["refused: no", {}], "gone": ["e", {"all": 2}], "renamed for nothing": ["f", {"all": 2}],
    }  # fmt: skip
    now = {
        "kept": ["a", {"all": 2}], "changed": ["B", {"all": 2}], "renamed": ["C", {"all": 2, "feedback": 1}],
        "all": ["D", {"all": 3}], "refused": ["x", {"all": 2}], "new": ["y", {"all": 2}],
        "renamed for nothing": ["f", {"all": 2, "optimiser": 1}],
    }  # fmt: skip
    equal, renamed, differing = compared(before, now)
    assert set(equal) == {"kept", "renamed for nothing"}
    assert set(renamed) == {"renamed", "all"}
    assert differing == ["changed"]


def test_the_release_s_code_adds_nothing_to_an_id(settings):
    for overrides in ((), ("feedback=sign_direct",), ("task=digits",), ("engine=numba",)):
        assert sources_of(settings(*overrides)) == {}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the program with an added mode, which imports a module from outside the package."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("fa_sweep", "hydra_plugins", "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "fa_sweep/feedback/mine.py").write_text(MINE)
    random = (folder / "conf/feedback/random.yaml").read_text()
    (folder / "conf/feedback/mine.yaml").write_text(random.replace("mode: random", "mode: mine"))
    (folder / "own").mkdir()
    (folder / "own/factors.py").write_text("FACTOR = 0.5\n")
    (folder / "own/unrelated.py").write_text("X = 1\n")
    return folder


def ids(checkout):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(checkout), str(checkout / "own")])}
    done = subprocess.run(
        [sys.executable, "-c", IDS, *RUNS.values()], cwd=checkout, env=environment, capture_output=True, text=True, check=True
    )
    return dict(zip(RUNS, done.stdout.split(), strict=True))


def test_an_edit_changes_the_ids_of_the_runs_that_it_may_change(checkout, settings):
    before = ids(checkout)
    assert before["numba"] == before["random"]  # both engines give the same bits
    assert len(set(before.values())) == len(before) - 1
    assert before["random"] == run_id(settings("feedback=random"))  # the program's location is no part of an id
    originals = {name: (checkout / name).read_bytes() for name in EDITS}

    def after(edits):
        for name, content in {**originals, **edits}.items():
            (checkout / name).write_bytes(content)
        return ids(checkout)

    for name, changed in EDITS.items():
        if changed:
            edited = after({name: originals[name] + b"\n# edited\n"})
            assert {run for run in RUNS if edited[run] != before[run]} == changed, name
    unchanged = {name: originals[name] + b"\n# edited\n" for name, changed in EDITS.items() if not changed}
    assert after(unchanged) == before
    # Git on Windows changes line endings.
    assert after({name: content.replace(b"\n", b"\r\n") for name, content in originals.items()}) == before


def test_code_that_changes_after_planning_is_not_trained_under_the_planned_id(settings):
    run = settings("train.steps=21")
    assert train_runs(Work([run_id(run)], [run], {})).histories.steps[-1] == 20
    planned = Work([run_id(run)], [run], {"fa_sweep.feedback.random": "0" * 64})
    with pytest.raises(ConfigError, match=r"fa_sweep\.feedback\.random changed after the sweep was planned"):
        train_runs(planned)
    assert "changed after the sweep was planned" in try_to_train(planned).message


def test_a_failure_says_the_last_line_of_the_user_s_own_code(tmp_path, monkeypatch):
    """A failure names the last line of the user's code, not a line of a library or of this program."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "theirs.py"
    path.write_text("import json\n\ndef broken():\n    return json.loads('{')\n")
    code = compile(path.read_text(), str(path), "exec")
    namespace = {}
    exec(code, namespace)  # noqa: S102  a user's file, as an import would run it
    try:
        namespace["broken"]()
    except ValueError as error:
        failed = failure(error)
    assert failed.where == "theirs.py, line 4, in broken"
    assert failed.message.startswith("JSONDecodeError: Expecting property name")
    assert "json/decoder.py" in failed.traceback
    assert str(failed) == f"{failed.message} (theirs.py, line 4, in broken)"


def test_a_failure_of_ours_points_nowhere_else(settings):
    run = settings()
    run.train.loss = "nope"
    failed = try_to_train(Work(["x"], [run], {}))
    assert failed.message == "KeyError: 'nope'"
    assert failed.where == ""
    assert "fa_sweep/engine/training.py" in failed.traceback
