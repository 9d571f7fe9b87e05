"""Memory, disk space and time are estimated before they are spent; a sweep beyond the system's limits is refused."""

from pathlib import Path

import pytest
from support.commands import refused, short

from fa_sweep.engine.training import train
from fa_sweep.process import resources
from fa_sweep.settings.identity import identify, identify_seeds
from fa_sweep.settings.schema import with_seed
from fa_sweep.sweeping.division import make_shards
from fa_sweep.sweeping.jobs import make_jobs
from fa_sweep.sweeping.needs import history_bytes, needs_of
from fa_sweep.sweeping.timing import seconds

REFUSED = {
    "model.hidden=[100000,100000]": ["model.hidden=[100000,100000]", "of memory", "make it smaller"],
    "train.batch_size=10000000000": ["train.batch_size=10000000000", "of memory"],
    "train.eval_samples=100000000000": ["train.eval_samples=100000000000", "of memory"],
    "feedback=product feedback.width=10000000000": ["feedback.width=10000000000", "of memory"],
    "feedback=product feedback.expansion=1000000000": ["feedback.expansion=1000000000", "of memory"],
    "feedback=weight_mirror feedback.mirror_batch=10000000000": ["feedback.mirror_batch", "of memory"],
    "train.steps=9223372036854775807": ["train.eval_every=100", "of memory", "evaluate less often"],
    "train.steps=1000000000000 train.eval_every=1000000000": ["train.steps=1000000000000", "days", "confirm=true"],
    "train.steps=1000000000000 train.eval_at=log:20": ["train.steps", "confirm=true"],
    "task=digits train.epochs=9000000000000000000": ["train.epochs", "at most"],
    "dry_run=true train.steps=1000000000000": ["train.eval_every=100", "of memory"],
    "-m dry_run=true seed=0,1 train.batch_size=10000000000": ["train.batch_size", "of memory"],
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_finds_no_room_is_refused_before_anything_is_made(fa_sweep, capfd, text):
    line = refused(fa_sweep, capfd, text.split(" "))
    for words in REFUSED[text]:
        assert words in line, (words, line)


def test_a_milliard_steps_are_planned(fa_sweep, capfd):
    assert fa_sweep("train.steps=1000000000", "train.eval_every=1000000", "dry_run=true") == 0
    out = capfd.readouterr().out
    assert "memory " in out
    assert "disk " in out


def test_a_month_of_training_can_be_confirmed(fa_sweep, capfd):
    arguments = ("train.steps=1000000000000", "train.eval_every=10000000000", "dry_run=true")
    assert fa_sweep(*arguments, "confirm=true") == 0
    assert fa_sweep(*arguments) == 2
    assert "confirm=true" in capfd.readouterr().err


def test_histories_that_find_no_disk_space_are_refused(fa_sweep, capfd, monkeypatch):
    monkeypatch.setattr("fa_sweep.sweeping.plan.free_disk", lambda folder: 10_000_000)
    line = refused(fa_sweep, capfd, ["-m", "seed=range(100)", "train.eval_every=1"])
    assert "train.eval_every=1: the ledger takes" in line
    assert "on the disk" in line


def test_what_is_in_the_ledger_needs_no_room(fa_sweep, capfd, monkeypatch):
    assert fa_sweep(*short("seed=0,1")) == 0
    monkeypatch.setattr("fa_sweep.sweeping.plan.available_memory", lambda: 1000)
    assert fa_sweep(*short("seed=0,1")) == 0
    assert fa_sweep(*short("seed=0,2")) == 2
    assert "of memory" in capfd.readouterr().err


def test_long_histories_are_cut_into_shards_that_find_room(settings):
    one = settings("train.steps=1000000", "train.eval_every=1")
    jobs = make_jobs([(with_seed(one, seed), {}, ()) for seed in range(20)])
    shards = make_shards(jobs)
    assert len(shards) > 5
    assert all(needs_of([job.run for job in shard.jobs]).total < 2**31 for shard in shards)


@pytest.mark.parametrize("overrides", [(), ("model.hidden=[5]", "train.eval_at=log:7"), ("task=linear_teacher",)])
def test_histories_are_as_large_as_was_said(settings, overrides):
    run = settings("train.steps=50", "train.eval_every=7", *overrides)
    histories = train([run])
    kept = sum(values.nbytes for values in histories.metrics.values()) + histories.steps.nbytes
    assert history_bytes(run) == kept


@pytest.mark.parametrize("at", ["every", "linear:1", "linear:9", "linear:5000", "log:1", "log:50", "log:20000", "[0,3,3,90]"])
@pytest.mark.parametrize("steps", [1, 2, 100, 1001])
def test_evaluations_are_counted_without_being_listed(settings, at, steps):
    if at.startswith("[") and steps < 100:
        return
    run = settings(f"train.steps={steps}", f"train.eval_at={at}", "train.eval_every=7")
    listed = len(run.train.evaluation_steps())
    assert run.train.evaluations() == pytest.approx(listed, rel=0.01 if at == "log:20000" else 0, abs=0)


def test_evaluations_cost_what_they_cost(settings):
    """The estimate of time includes evaluations, which dominate if there are many held-out examples."""
    few, many = (settings("task=linear_teacher", f"task.held_out={n}", "train.steps=1001") for n in (10, 10_000))
    assert seconds([many]) > 20 * seconds([few])
    rare = settings("task=linear_teacher", "task.held_out=10000", "train.steps=1001", "train.eval_every=1000")
    assert seconds([rare]) < seconds([many]) / 3


def test_runs_of_a_seed_have_the_ids_that_each_has_alone(settings):
    for overrides in ((), ("task=digits", "feedback=product"), ("train.hold=7", "dtype=float32")):
        run = settings(*overrides)
        ids = identify_seeds(run)
        for seed in (0, 1, 12345, 2**62):
            assert ids(seed) == identify(with_seed(run, seed)) == identify(settings(*overrides, f"seed={seed}"))


def test_ids_are_what_they_were(settings):
    """A run's id is still the hash of all its settings as JSON, with sorted keys."""
    import hashlib
    import json

    from fa_sweep.roles import IN_RUN_ID, roles_of
    from fa_sweep.settings.identity import NUMERICS_VERSION, run_settings

    versions = {
        ("feedback=symmetric",): {},
        ("feedback=shallow", "task=parity", "train.optimiser=momentum"): {},
        ("feedback=rerandom",): {"numerics of feedback": 1},
        ("feedback=random", "model.hidden=[]"): {},  # without hidden layers there is no feedback
        ("feedback=symmetric", "train.optimiser=manhattan"): {},  # with single examples no gradients cancel
        ("feedback=symmetric", "train.optimiser=manhattan", "train.batch_size=2"): {"numerics of optimiser": 1},
        ("feedback=product", "train.optimiser=manhattan", "train.batch_size=2"): {
            "numerics of feedback": 1,
            "numerics of optimiser": 1,
        },
    }
    for overrides, own in versions.items():
        run = settings("seed=17", *overrides)
        roles = roles_of(run)
        science = {k: v for k, v in run_settings(run).items() if roles[k] in IN_RUN_ID or k == "engine"}
        text = json.dumps({"numerics": NUMERICS_VERSION, **own, **science}, sort_keys=True)
        assert identify(run)[0] == hashlib.sha256(text.encode()).hexdigest()[:16]


# --- limits of the system


def test_the_limit_of_a_control_group_counts(tmp_path, monkeypatch):
    """The memory limit of this control group (version 2) or a parent group counts. Its inactive file cache counts as free."""
    group = tmp_path / "a" / "b"
    group.mkdir(parents=True)
    for folder, limit, used in ((tmp_path / "a", "5000", "1000"), (group, "max", "1000")):
        (folder / "memory.max").write_text(limit + "\n")
        (folder / "memory.current").write_text(used + "\n")
        (folder / "memory.stat").write_text("anon 1\ninactive_file 300\n")
    monkeypatch.setattr(resources, "_GROUPS", tmp_path)
    lines = {Path("/proc/self/cgroup"): ["0::/a/b"]}
    original = resources._lines
    monkeypatch.setattr(resources, "_lines", lambda path: lines.get(path) or original(path))
    assert resources.available_memory() == 5000 - 1000 + 300


def test_the_limit_of_a_control_group_of_version_1_counts(tmp_path, monkeypatch):
    group = tmp_path / "memory" / "a"
    group.mkdir(parents=True)
    (group / "memory.limit_in_bytes").write_text("7000")
    (group / "memory.usage_in_bytes").write_text("2000")
    monkeypatch.setattr(resources, "_GROUPS", tmp_path)
    original = resources._lines
    lines = {Path("/proc/self/cgroup"): ["3:cpu,memory:/a", "1:name=systemd:/a"]}
    monkeypatch.setattr(resources, "_lines", lambda path: lines.get(path) or original(path))
    assert resources.available_memory() == 5000


def test_the_limit_of_addresses_counts(monkeypatch):
    monkeypatch.setattr(resources.resource, "getrlimit", lambda which: (2**40, 2**40))
    assert resources._of_process() < 2**40
    monkeypatch.setattr(resources.resource, "getrlimit", lambda which: (1, 1))
    assert resources.available_memory() == 0


def test_a_system_that_tells_nothing_forbids_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(resources, "_lines", lambda path: [])
    monkeypatch.setattr(resources.os, "sysconf", lambda name: (_ for _ in ()).throw(ValueError))
    assert resources.available_memory() > 2**60
    assert resources.free_disk(tmp_path / "not" / "yet") > 0


@pytest.mark.parametrize(("size", "text"), [(0, "0 bytes"), (1023, "1023 bytes"), (2048, "2.0 KiB"), (20 * 2**30, "20 GiB")])
def test_sizes_as_people_read_them(size, text):
    assert resources.in_bytes(size) == text


@pytest.mark.parametrize(("seconds_", "text"), [(5, "5.0 s"), (3600, "60 min"), (86400 * 40, "40 days"), (1e11, "3,169 years")])
def test_durations_as_people_read_them(seconds_, text):
    assert resources.in_time(seconds_) == text
