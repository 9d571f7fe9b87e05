"""The report's description of a sweep in words, which is derived from the sweep's jobs."""

import pytest

from fa_sweep.report.description import described, differing, shared, title
from fa_sweep.settings.schema import run_alone
from fa_sweep.sweeping.jobs import make_jobs


@pytest.fixture
def jobs(settings):
    def make(*asked):
        return make_jobs([(run_alone(settings(*overrides)), chosen, overrides) for overrides, chosen in asked])

    return make


def lines(jobs):
    found = dict(line.split(": ", 1) for line in described(jobs))
    assert next(iter(found)) == "Task"
    assert list(found)[-1] == "What differs between groups"
    return found


def test_the_blog_posts_setting(jobs):
    modes = ("symmetric", "random", "rerandom")
    found = lines(jobs(*(((f"feedback={mode}", f"seed={seed}"), {"feedback": mode}) for mode in modes for seed in range(3))))
    assert found["Task"].startswith("XOR, all four patterns")
    assert found["Network"] == "2-10-10-1, ReLU, no biases."
    assert found["Initial weights"] == "normal, standard deviation 1."
    assert "learning rate 0.01, batches of 1, 5,001 steps" in found["Training"]
    assert found["Seeds"] == "3 per group (0 to 2), the same in every group."
    assert found["What differs between groups"] == "feedback mode (symmetric, random, rerandom)."


def test_several_tasks_and_networks_are_listed(jobs):
    found = lines(
        jobs(
            (("task=xor", "train.lr=0.01"), {"task": "xor", "train.lr": 0.01}),
            (("task=parity", "task.bits=3", "model.hidden=[5]", "train.lr=0.1"), {"task": "parity", "train.lr": 0.1}),
        )
    )
    assert "XOR" in found["Task"]
    assert "; or parity of 3 bits" in found["Task"]
    assert found["Network"] == "2-10-10-1 or 3-5-1, ReLU, no biases."
    assert "learning rate 0.01 or 0.1" in found["Training"]
    assert found["What differs between groups"] == "task (xor, parity); learning rate (0.01, 0.1)."


def test_one_group_differs_in_nothing(jobs):
    found = lines(jobs((("seed=3",), {})))
    assert found["What differs between groups"] == "nothing; there is only one group."
    assert found["Seeds"] == "1."


def test_a_split_that_varies_with_the_seed_is_said(jobs):
    fixed = lines(jobs(*((("task=digits", "train=batch", f"seed={s}"), {}) for s in range(3))))
    assert "the split is the same for every seed" in fixed["Task"]
    own = lines(jobs(*((("task=digits", "train=batch", f"seed={s}", f"task.split_seed={s}"), {}) for s in range(3))))
    assert "every seed draws its own split" in own["Task"]
    assert "30 epochs" in own["Training"]


def test_scales_of_one_distribution_are_listed_together(jobs):
    scales = [
        ((f"init={name}", f"init.scale={scale}"), {"init.scale": scale}) for name in ("uniform", "xavier") for scale in (0.1, 1)
    ]
    found = lines(jobs(*scales))
    assert found["Initial weights"] == "uniform within +-0.1 or 1; or Xavier times 0.1 or 1."
    assert found["Feedback matrices"] == "uniform within +-1; or Xavier."
    changed = lines(jobs((("feedback.sparsity=0.5", "feedback.scale=2"), {})))
    assert changed["Feedback matrices"] == "normal, standard deviation 2, 0.5 of the entries zero."


def test_many_levels_are_cut(jobs):
    rates = [round(0.001 * k, 3) for k in range(1, 31)]
    found = lines(jobs(*(((f"train.lr={rate}",), {"train.lr": rate}) for rate in rates)))
    assert "and 14 more" in found["What differs between groups"]


def test_a_task_of_another_distribution_is_named_with_its_settings(jobs):
    made = jobs((("seed=0",), {}))
    made[0].run.task.name = "theirs"
    assert lines(made)["Task"] == "theirs (decision_boundary 0.5)."


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("linear_teacher", "a linear teacher y = T x, 30 inputs, 10 outputs"),
        ("nonlinear_teacher", "a random 30-20-10-10 tanh network"),
        ("random_labels", "memorising 50 Gaussian examples"),
        ("spirals", "2 intertwined spirals"),
    ],
)
def test_every_task_has_words(jobs, task, words):
    assert words in lines(jobs(((f"task={task}",), {})))["Task"]


def test_the_head_of_a_report_parts_what_differs_from_what_is_shared(jobs):
    made = jobs(
        *(
            ((f"feedback={mode}", f"train.lr={rate}", f"seed={seed}"), {"feedback": mode, "train.lr": rate})
            for mode in ("symmetric", "random")
            for rate in (0.01, 0.1, 1.0)
            for seed in range(4)
        )
    )
    assert title(made) == "XOR: symmetric and random feedback at 3 learning rates, 4 seeds"
    assert differing(made) == ["Feedback mode: symmetric, random.", "Learning rate: 0.01, 0.1, 1."]
    together = " ".join(shared(made))
    assert "Network: 2-10-10-1, ReLU, no biases." in together
    assert "learning rate" not in together
    assert "batches of 1, 5,001 steps" in together


def test_titles_of_other_sweeps(jobs):
    assert title(jobs((("seed=3",), {}))) == "XOR: random feedback, 1 seed"
    many = ("symmetric", "random", "rerandom", "shallow", "direct", "partial")
    assert title(jobs(*(((f"feedback={mode}",), {"feedback": mode}) for mode in many))) == "XOR: 6 feedback modes, 1 seed"
    tasks = jobs((("task=xor",), {"task": "xor"}), (("task=parity", "task.bits=3"), {"task": "parity"}))
    assert title(tasks) == "XOR and Parity of 3 bits: random feedback, 1 seed"
    assert "Task: XOR, all four patterns; an output above 0.5 counts as 1; or parity of 3 bits" in " ".join(differing(tasks))
    other = jobs(*(((f"train.momentum={m}",), {"train.momentum": m}) for m in (0.5, 0.9)))
    assert title(other) == "XOR: random feedback at 2 levels of train.momentum, 1 seed"


def test_a_setting_that_differs_is_never_among_the_shared_ones(jobs):
    made = jobs(
        (("model.hidden=[5]", "model.activation=tanh"), {"model.hidden": [5], "model.activation": "tanh"}),
        (("model.hidden=[7]", "model.activation=relu"), {"model.hidden": [7], "model.activation": "relu"}),
    )
    assert "Network: 2-5-1, tanh, no biases; or 2-7-1, ReLU, no biases." in differing(made)
    assert not any(line.startswith("Network") for line in shared(made))
