"""The plan of a sweep: its shards, and when and how many processes are started."""

from dataclasses import replace

from support.commands import short

from fa_sweep.cli.composition import Composer
from fa_sweep.sweeping.division import make_shards
from fa_sweep.sweeping.jobs import make_jobs
from fa_sweep.sweeping.processes import choose_processes


def test_groups_of_runs_are_cut_only_for_want_of_work(settings):
    def sizes(widths, processes):
        runs = [settings(f"seed={seed}", f"model.hidden=[{width}]") for width in range(1, widths + 1) for seed in range(6)]
        return [len(shard.jobs) for shard in make_shards(make_jobs([(run, {}, ()) for run in runs]), processes)]

    assert sizes(1, 3) == [2, 2, 2]
    assert sizes(2, 3) == [3, 3, 3, 3]
    assert sizes(4, 3) == [6, 6, 6, 6]


def test_large_groups_leave_no_process_idle_in_the_last_round(settings):
    one = settings()
    jobs = make_jobs([(replace(one, seed=seed), {}, ()) for seed in range(2400)])
    assert [len(shard.jobs) for shard in make_shards(jobs, 1)] == [800, 800, 800]
    assert [len(shard.jobs) for shard in make_shards(jobs, 2)] == [600, 600, 600, 600]


def test_processes_are_started_while_jobs_are_composed(fa_sweep, monkeypatch):
    told = []
    monkeypatch.setattr("fa_sweep.sweeping.conduct.expect_work", lambda executor, processes: told.append((executor, processes)))
    original = Composer.settings
    monkeypatch.setattr(Composer, "settings", lambda *a: told.append("composed") or original(*a))
    assert fa_sweep(*short("train.lr=0.1,0.2,0.3", "n_jobs=2")) == 0
    assert told == ["composed", ("local", 2), "composed", "composed"]
    told.clear()
    assert fa_sweep(*short("train.lr=0.1,0.2,0.3", "n_jobs=2", "dry_run=true")) == 0
    assert told == ["composed"] * 3
    told.clear()
    assert fa_sweep(*short("train.lr=0.1,0.2,0.3")) == 0
    assert told == ["composed", ("local", 1), "composed", "composed"]


def test_processes_where_the_system_tells_no_affinity(monkeypatch):
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert choose_processes("auto", 1000.0) == 6
    assert choose_processes("auto", 0.1) == 1
    assert choose_processes("3", 0.1) == 3
    assert choose_processes("auto", 1500.0, "slurm") == 2
    assert choose_processes("auto", 20.0, "dask") == 4
