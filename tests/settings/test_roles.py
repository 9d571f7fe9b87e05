"""The role of a setting is stated where the setting is declared, and everything that depends on the role follows it."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

import pytest
from support.places import ROOT
from support.waiting import PATIENCE

from fa_sweep.roles import FREE, IN_JOB_ID, IN_RUN_ID, JUDGING, Role, roles_of
from fa_sweep.settings.identity import run_settings

# Code that the edited copy of the program runs: it compares two runs that differ in the new setting.
TELL = """
import json, sys
from fa_sweep import compose
from fa_sweep.cli.composition import is_public
from fa_sweep.cli.own_conf import composer_of_conf
from fa_sweep.settings.identity import identify, run_settings
from fa_sweep.settings.structure import structure
composer = composer_of_conf()
name, values = sys.argv[1], sys.argv[2:]
one, other = (composer.settings([f"{name}={value}"]) for value in values)
(run_a, job_a), (run_b, job_b) = identify(one), identify(other)
print(json.dumps({
    "same run": run_a == run_b,
    "same job": job_a == job_b,
    "same stack": structure(one) == structure(other),
    "a setting of the run": name in run_settings(one),
    "a factor": composer.factor(f"{name}=1") == (name, None),
    "public": is_public(f"{name}=1"),
}))
"""
RUN = {"a setting of the run": True, "a factor": True, "public": True}
OTHER_RUN = {"same run": False, "same job": False}
ARRIVES = {
    "": RUN | OTHER_RUN | {"same stack": False},
    "FREE": RUN | OTHER_RUN | {"same stack": True},
    "OBSERVING": RUN | OTHER_RUN | {"same stack": False},
    "JUDGING": RUN | {"same run": True, "same job": False, "same stack": True},
    "LOCATION": RUN | {"same run": True, "same job": True, "same stack": False},
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the program that a test may edit."""
    folder = tmp_path_factory.mktemp("program")
    for name in ("fa_sweep", "conf", "hydra_plugins"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def told(folder, name, *values):
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", TELL, name, *values],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("role", ARRIVES)
def test_a_setting_that_is_added_in_one_place_arrives_everywhere(copy, role):
    schema, values = copy / "fa_sweep/settings/schema.py", copy / "conf/train/online.yaml"
    before = schema.read_text(), values.read_text()
    declared = "    patience: float" + (f" = field(metadata={role})" if role else "")
    text = before[0].replace("    hold: int", f"{declared}\n    hold: int", 1)
    schema.write_text(text.replace("from fa_sweep.roles import ", "from fa_sweep.roles import LOCATION, ", 1))
    values.write_text(f"{before[1].rstrip()}\npatience: 1.0\n")
    try:
        assert told(copy, "train.patience", "1.0", "2.0") == ARRIVES[role]
    finally:
        schema.write_text(before[0])
        values.write_text(before[1])


def test_an_application_setting_is_no_part_of_a_run(copy):
    schema, values = copy / "fa_sweep/settings/schema.py", copy / "conf/config.yaml"
    before = schema.read_text(), values.read_text()
    schema.write_text(before[0].replace("    n_jobs: str", "    loud: bool = field(metadata=APPLICATION)\n    n_jobs: str", 1))
    values.write_text(before[1].replace("\nhydra:\n", "\nloud: false\n\nhydra:\n", 1))
    try:
        found = told(copy, "loud", "true", "false")
    finally:
        schema.write_text(before[0])
        values.write_text(before[1])
    assert found == {
        "same run": True, "same job": True, "same stack": True,
        "a setting of the run": False, "a factor": False, "public": False,
    }  # fmt: skip


def test_every_setting_of_a_run_has_one_role(settings):
    app = settings("task=digits", "feedback=product")
    roles = roles_of(app)
    assert run_settings(app).keys() == {name for name, role in roles.items() if role is not Role.APPLICATION}
    assert not IN_RUN_ID & IN_JOB_ID
    assert roles["train.lr"] is Role.FREE
    assert roles["task.success.value"] is Role.JUDGING
    assert roles["feedback.expansion"] is Role.FREE
    assert roles["model.hidden"] is Role.SCIENTIFIC


def test_a_group_hands_its_role_down():
    @dataclass
    class Inner:
        plain: int
        judged: int = field(metadata=JUDGING)

    @dataclass
    class Outer:
        inner: Inner = field(metadata=FREE)
        other: int = 0

    assert roles_of(Outer(Inner(1, 2))) == {
        "inner.plain": Role.FREE, "inner.judged": Role.JUDGING, "other": Role.SCIENTIFIC,
    }  # fmt: skip
