"""Jobs of several sweeps together: each once, and every setting in which they differ is a factor."""

import pytest

from fa_sweep.cli.lines import parse_jobs
from fa_sweep.sweeping.jobs import make_jobs
from fa_sweep.sweeping.union import united


@pytest.fixture
def jobs(composer, hydra_master):
    """A function that returns the jobs of a sweep: jobs("feedback=symmetric,random", "seed=0,1")."""

    def made(*overrides):
        return make_jobs([composer.candidate(line) for line in parse_jobs(overrides, hydra_master[0])])

    return made


def groups(tables):
    return list(dict.fromkeys(job.group for job in united(tables)))


def test_one_sweep_keeps_its_groups_and_names(jobs):
    table = jobs("feedback=symmetric,random", "train.lr=0.01,0.1", "seed=0,1")
    found = united([table])
    assert [(job.id, job.group, job.name) for job in found] == [(job.id, job.group, job.name) for job in table]


def test_a_job_of_several_sweeps_is_counted_once(jobs):
    found = united([jobs("feedback=symmetric,random", "seed=range(3)"), jobs("feedback=symmetric", "seed=range(5)")])
    assert [job.number for job in found] == list(range(8))
    assert len({job.id for job in found}) == 8
    assert [job.group for job in found].count("symmetric") == 5


CASES = {
    "another learning rate": (["train.lr=0.1"], ["train.lr=0.2"], ["train.lr=0.1", "train.lr=0.2"]),
    "a factor of one sweep": (["feedback=symmetric,random"], ["feedback=direct"], ["symmetric", "random", "direct"]),
    "mode and rate": (
        ["feedback=symmetric", "train.lr=0.1"], ["feedback=random", "train.lr=0.2"],
        ["symmetric, train.lr=0.1", "random, train.lr=0.2"],
    ),
    "a setting of one mode": (
        ["feedback=symmetric,random"], ["feedback=random", "feedback.scale=2"],
        ["symmetric, feedback.scale=1.0", "random, feedback.scale=1.0", "random, feedback.scale=2.0"],
    ),
    "a setting that follows from the mode": (
        ["feedback=symmetric"], ["feedback=kolen_pollack"], ["symmetric", "kolen_pollack"],
    ),
    "a task": (["task=xor"], ["task=parity"], ["task=xor", "task=parity"]),
    "tasks with other losses": (["task=xor"], ["task=spirals"], ["task=xor", "task=spirals"]),
    "a proposal that is followed": (["task=parity"], ["task=xor", "train.loss=squared"], ["task=parity", "task=xor"]),
    "lists": (
        ["model.hidden=[3],[5]"], ["model.hidden=[10,10]"], ["model.hidden=[3]", "model.hidden=[5]", "model.hidden=[10,10]"],
    ),
    "what is judged": (["train.hold=2"], ["train.hold=3"], ["train.hold=2", "train.hold=3"]),
    "only a proposal": (["task.loss=absolute", "train.loss=squared"], ["task.loss=squared", "train.loss=squared"],
                        ["task.loss=absolute", "task.loss=squared"]),
    "a preset's group in one sweep": (["task=digits", "train=batch", "init=he,xavier"], ["train.lr=0.5"], None),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other", "expected"), CASES.values(), ids=CASES)
def test_what_differs_is_a_factor(jobs, one, other, expected):
    found = united([jobs(*one, "seed=0"), jobs(*other, "seed=0")])
    if expected is not None:
        assert list(dict.fromkeys(job.group for job in found)) == expected
    assert len({job.group for job in found}) == len(found)
    assert len({job.name for job in found}) == len(found)


def test_three_sweeps_with_other_seeds(jobs):
    tables = [jobs("feedback=symmetric,random", f"seed={seeds}") for seeds in ("0,1", "1,2", "3")]
    assert groups(tables) == ["symmetric", "random"]
    assert sorted({job.run.seed for job in united(tables)}) == [0, 1, 2, 3]


def test_a_setting_that_follows_the_seed_is_no_factor(jobs):
    digits = ("task=digits", "train=batch", "task.split_seed=${seed}")
    tables = [jobs(*digits, "train.lr=0.1", "seed=0,1"), jobs(*digits, "train.lr=0.2", "seed=0,1")]
    assert groups(tables) == ["train.lr=0.1", "train.lr=0.2"]
