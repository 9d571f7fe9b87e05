"""Outcomes other than convergence: how they are written, read from histories, compared, and named in the report."""

import math
from dataclasses import replace
from itertools import islice

import numpy as np
import pandas as pd
import pytest
from support.simulated import DIVERGED, NEVER, STEPS, simulate

from fa_sweep.errors import ConfigError
from fa_sweep.report import intervals
from fa_sweep.report.analysis import analyse
from fa_sweep.report.comparisons import compare
from fa_sweep.report.pairs import pairs_of
from fa_sweep.report.report import write_report
from fa_sweep.report.statements import findings
from fa_sweep.report.tables import readable_tables
from fa_sweep.report.value_comparisons import compare_values
from fa_sweep.report.values import value_groups, values_of
from fa_sweep.settings.measures import Measure, read_outcome, read_outcomes, require_metrics

AREA = Measure("accuracy", "area")


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(intervals, "RESAMPLES", 199)


def with_values(frames, metric, values):
    """Give each run a metric at the last evaluation, by group in the order of its seeds."""
    runs = frames.runs.copy()
    for group, numbers in values.items():
        runs.loc[runs["group"] == group, f"final.{metric}"] = numbers
    return replace(frames, runs=runs)


@pytest.mark.parametrize(
    ("text", "outcome", "words"),
    [
        ("loss", "loss:end", "final loss"),
        ("accuracy:best", "accuracy:best", "best accuracy"),
        ("accuracy:area", "accuracy:area", "mean accuracy over training"),
        ("angle_deg/gradient", "angle_deg/gradient:end", "final gradient angle (degrees)"),
        (
            "angle_deg/signal_layer_2:area",
            "angle_deg/signal_layer_2:area",
            "mean signal angle of layer 2 (degrees) over training",
        ),
    ],
)
def test_spelling(text, outcome, words):
    assert read_outcomes("outcomes", [text, outcome]) == [outcome]
    assert read_outcome("outcomes", text).words == words


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("accuracy:mean", "after the colon stands one of end, best, area"),
        ("converged:end", 'write "converged" without a colon'),
        ("", "METRIC:end, METRIC:best or METRIC:area"),
        (":area", "METRIC:end, METRIC:best or METRIC:area"),
        (3, "METRIC:end, METRIC:best or METRIC:area"),
    ],
)
def test_what_is_no_outcome_is_refused_in_one_line(text, said):
    with pytest.raises(ConfigError, match=r"^outcomes is ") as caught:
        read_outcome("outcomes", text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_metrics_that_runs_lack_or_that_have_no_best_value_are_refused():
    known = ["accuracy", "loss", "angle_deg/gradient"]
    require_metrics("outcomes", ["converged", "success:best", "loss:best", "angle_deg/gradient:area"], known)
    with pytest.raises(
        ConfigError, match=r"'acuracy:best'; did you mean accuracy\? these runs have converged, success, accuracy"
    ):
        require_metrics("outcomes", ["acuracy:best"], known)
    with pytest.raises(
        ConfigError, match="only accuracies, losses and errors have a best value; choose angle_deg/gradient:end"
    ):
        require_metrics("outcomes", ["angle_deg/gradient:best"], known)


def test_best_and_area_against_plain_python(settings):
    """The best value and the area of each run, computed from its history by loops."""
    frames = simulate(settings, {"symmetric": [100, 2000, NEVER, DIVERGED], "random": [4000, NEVER, 300, DIVERGED]})
    generator = np.random.default_rng(0)
    frames.histories["accuracy"] = generator.random(len(frames.histories)).round(2)
    frames.histories["loss"] = generator.random(len(frames.histories))
    for metric, best in (("accuracy", max), ("loss", min)):
        expected = {"best": [], "area": []}
        for _, run in frames.runs.iterrows():
            own = frames.histories[(frames.histories["group"] == run["group"]) & (frames.histories["seed"] == run["seed"])]
            values, steps = list(own[metric]), list(own["step"])
            area = sum((values[k] + values[k + 1]) / 2 * (steps[k + 1] - steps[k]) for k in range(len(steps) - 1))
            worst = 0.0 if metric == "accuracy" else math.inf
            diverged = run["outcome"] == "diverged"
            expected["best"].append(worst if diverged else best(values))
            expected["area"].append(worst if diverged else area / (steps[-1] - steps[0]))
        for reading, numbers in expected.items():
            assert values_of(frames, Measure(metric, reading))["value"].tolist() == pytest.approx(numbers)


def test_an_undefined_evaluation_makes_an_area_undefined_and_is_counted(settings):
    frames = simulate(settings, {"random": [100] * 4 + [DIVERGED]})
    frames.histories.loc[3, "angle_deg/gradient"] = np.nan
    table = value_groups(frames, Measure("angle_deg/gradient", "area"))
    assert table[["n", "undefined", "diverged"]].to_numpy().tolist() == [[3, 2, 0]]
    one = replace(frames, histories=frames.histories.groupby(["group", "seed"], observed=True).head(1).reset_index(drop=True))
    assert values_of(one, AREA)["value"].isna().sum() == 4  # one evaluation has no curve; the diverged run still counts as 0


def test_the_mean_over_training_is_the_fraction_of_steps_of_a_step_function(settings):
    """A run that converges at step t has accuracy 0.75 before and 1 from then on, so its area follows from t."""
    frames = simulate(settings, {"random": [1000, 2500, NEVER]})
    span = STEPS[-1]
    expected = [1 - 0.25 * (t - 50) / span for t in (1000, 2500)] + [0.75]
    assert values_of(frames, AREA)["value"].tolist() == pytest.approx(expected)


def test_today_s_final_comparison_is_the_success_metric_at_the_end(settings):
    frames = simulate(settings, {"symmetric": [100] * 6, "random": [NEVER] * 6})
    own, named = compare_values(frames, Measure("success", "end")), compare_values(frames, Measure("accuracy", "end"))
    pd.testing.assert_frame_equal(own.drop(columns="p"), named.drop(columns="p"))
    (row,) = own.to_dict("records")
    assert (row["mean"], row["mean_reference"], row["difference"]) == (0.75, 1.0, -0.25)
    assert (row["improvement"], row["median_difference"]) == (0.0, -0.25)
    assert (row["median_difference_low"], row["median_difference_high"]) == (-0.25, -0.25)


def test_diverged_runs_have_no_mean_loss_but_a_median_and_ranks(settings):
    """Paired and unpaired, the losses of diverged runs count as infinite, and two of them tie."""
    times = {"symmetric": [100] * 11 + [DIVERGED], "random": [NEVER] * 10 + [DIVERGED] * 2}
    for seeds in (None, {"symmetric": range(12), "random": range(20, 32)}):
        frames = simulate(settings, times, seeds=seeds)
        (row,) = compare_values(frames, Measure("loss", "end")).to_dict("records")
        assert math.isnan(row["difference"])
        assert row["p"] < 0.01
        assert row["improvement"] < 0.2
        text = "\n".join(findings(analyse(frames, ["loss"])))
        assert "random ended with a higher median loss than symmetric: 0.4 against 0.01" in text
        assert "3 diverged runs counted as infinite" in text
        assert ("by ranks" in row["test"]) == (seeds is not None)


def test_undefined_values_go_with_their_partners(settings):
    frames = simulate(settings, {"symmetric": [100] * 9, "random": [100] * 9})
    angle = "angle_deg/gradient"
    values = np.arange(9.0)
    holes = np.where(values == 4, np.nan, values + 10)
    frames = with_values(frames, angle, {"symmetric": values, "random": holes})
    (row,) = compare_values(frames, Measure(angle, "end")).to_dict("records")
    assert (row["design"], row["n"], row["n_reference"], row["pairs"], row["undefined"]) == ("paired", 8, 8, 8, 1)
    assert row["difference"] == 10.0
    assert row["improvement"] == 1.0
    empty = with_values(frames, angle, {"random": np.full(9, np.nan)})
    assert compare_values(empty, Measure(angle, "end")).empty
    assert any("median final gradient angle" in s for s in findings(analyse(empty, [angle])))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_runs_and_equal_values_give_no_interval_and_no_difference(settings, n):
    frames = simulate(settings, {"symmetric": [100] * n, "random": [100] * n})
    (row,) = compare_values(frames, Measure("accuracy", "end"), margin=0.05).to_dict("records")
    assert (row["difference"], row["median_difference"], row["improvement"], row["p"]) == (0.0, 0.0, 0.5, 1.0)
    assert math.isnan(row["difference_low"])
    assert math.isnan(row["p_equivalence"])  # equal values say nothing about their spread
    assert row["improvement_low"] < 0.5 < row["improvement_high"]
    text = "\n".join(findings(analyse(frames, ["accuracy"], margin=0.05)))
    assert "ended with equal mean accuracy" in text
    assert "equivalent" not in text


def test_the_primary_outcome_is_named_and_each_table_is_a_family(settings):
    generator = np.random.default_rng(1)
    times = {
        mode: [int(t) * 100 for t in generator.integers(1, 40, 12)] + [NEVER] for mode in ("symmetric", "random", "shallow")
    }
    frames = simulate(settings, times)
    analysis = analyse(frames)
    reason = "chosen by default, because some runs converge and others do not"
    assert analysis.head[0] == f"Primary outcome: convergence (the fraction of runs and the time), {reason}."
    notes = {table.title: table.note for table in readable_tables(analysis)}
    assert notes["Comparisons"].startswith("Primary outcome. Holm's correction is over the 4 p values of this table.")
    assert notes["Final values compared"].startswith("Secondary outcome, with a family of tests of its own. ")
    assert "secondary outcome" in "\n".join(findings(analysis))
    analysis = analyse(frames, ["accuracy:area", "loss:best"])
    assert (
        analysis.head[0] == "Primary outcome: mean accuracy over training (accuracy:area), chosen when the report was written."
    )
    assert analysis.head[1] == "Secondary outcome: best loss (loss:best)."
    assert analysis.comparisons.empty  # what is not stated is not tested
    tables = {table.title: table for table in readable_tables(analysis)}
    assert "likely to be lower than on fresh data" in tables["Best loss compared"].note
    assert "fresh data" not in tables["Mean accuracy over training compared"].note
    assert findings(analysis)[0].startswith(("random had a", "shallow had a"))
    assert not any("McNemar" in sentence for sentence in findings(analysis))
    p = analysis.measured[0].comparisons
    assert p["p_holm"].min() == pytest.approx(min(1.0, 2 * p["p"].min()))


def test_what_was_stated_with_the_sweep_is_used(settings):
    frames = simulate(settings, {"symmetric": [100, 200] * 4, "random": [NEVER, 300] * 4})
    stated = replace(frames, about=replace(frames.about, outcomes=["loss:end", "converged"], margin=0.3))
    analysis = analyse(stated)
    assert analysis.head[0] == "Primary outcome: final loss (loss:end), stated with the sweep."
    assert analysis.margin == 0.3
    assert "p_equivalence" not in analysis.comparisons  # the margin is one of the primary outcome
    other = analyse(stated, ["accuracy"])
    assert (other.outcomes, other.margin) == (["accuracy:end"], None)
    assert analyse(stated, ["loss", "converged"]).head[0].endswith("stated with the sweep.")
    assert analyse(stated, ["loss"]).margin == 0.3


def test_where_convergence_cannot_decide_final_values_are_primary(settings):
    frames = simulate(settings, {"symmetric": [100] * 8, "random": [100] * 8})
    differing = with_values(frames, "accuracy", {"random": 1 - 0.01 * np.arange(1, 9)})
    assert (
        analyse(differing).head[0]
        == "Primary outcome: final accuracy (accuracy:end), chosen by default, because every run converged."
    )
    assert analyse(frames).outcomes[0] == "converged"  # the final values are equal, and the times may differ
    never = simulate(settings, {"symmetric": [NEVER] * 8, "random": [NEVER] * 7 + [DIVERGED]})
    assert analyse(never).head[0].endswith("chosen by default, because no run converged.")


LEVELS = {
    f"{mode}, train.lr={lr}": {"feedback": mode, "train.lr": lr}
    for mode, lr in (
        ("random", 0.1),
        ("symmetric", 0.1),
        ("shallow", 0.1),
        ("random", 0.2),
        ("symmetric", 0.2),
        ("shallow", 0.3),
    )
}


def test_comparisons_can_be_restricted_to_one_factor(settings):
    frames = simulate(settings, {group: [100, NEVER] * 3 for group in LEVELS}, factors=LEVELS)

    def compared(**options):
        return [(who["group"], who["reference"]) for who, _ in pairs_of(frames, **options)]

    first = [("symmetric, train.lr=0.1", "random, train.lr=0.1"), ("shallow, train.lr=0.1", "random, train.lr=0.1")]
    assert compared(factor="feedback") == [*first, ("symmetric, train.lr=0.2", "random, train.lr=0.2")]
    assert compared(factor="feedback", reference="shallow") == [
        ("random, train.lr=0.1", "shallow, train.lr=0.1"),
        ("symmetric, train.lr=0.1", "shallow, train.lr=0.1"),
    ]
    higher = {"random": 0.2, "symmetric": 0.2, "shallow": 0.3}
    assert compared(factor="train.lr") == [(f"{mode}, train.lr={lr}", f"{mode}, train.lr=0.1") for mode, lr in higher.items()]
    assert len(compared(factor="feedback", all_pairs=True)) == 4
    with pytest.raises(ConfigError, match="the reference level of feedback is 'randm'; did you mean random"):
        compared(factor="feedback", reference="randm")
    with pytest.raises(ConfigError, match=r"the factor to compare is 'train.l'; did you mean train.lr"):
        compared(factor="train.l")
    text = "\n".join(findings(analyse(frames, factor="feedback")))
    assert "because the reference level of feedback has no finished run at their other settings: shallow, train.lr=0.3." in text


def test_what_else_differs_is_said(settings):
    frames = simulate(settings, {"symmetric": [100, NEVER] * 4, "random": [NEVER, 300] * 4})
    assert set(compare(frames)["also_differ"]) == {""}
    jobs = [
        replace(job, run=replace(job.run, train=replace(job.run.train, lr=0.3))) if job.group == "random" else job
        for job in frames.jobs
    ]
    frames = replace(frames, jobs=jobs)
    (said,) = compare(frames)["also_differ"]
    assert said == "train.lr 0.3 against 0.01"
    assert f"Compared groups that also differ in {said}: random and symmetric." in findings(analyse(frames))


def test_equivalence_is_said_only_where_it_is_shown(settings):
    """Three groups: as good as the reference to within noise, better by more than the margin, and undecided by few runs."""
    frames = simulate(settings, {mode: [100] * 20 for mode in ("symmetric", "random", "shallow")})
    noise = np.random.default_rng(3).normal(0, 0.01, (3, 20))
    values = {"symmetric": 0.8 + noise[0], "random": 0.8 + noise[1], "shallow": 0.95 + noise[2]}
    analysis = analyse(with_values(frames, "accuracy", values), ["accuracy"], margin=0.05)
    rows = analysis.measured[0].comparisons.set_index("group")
    assert rows.loc["random", "p_equivalence_holm"] < 0.001
    assert rows.loc["shallow", "p_equivalence"] > 0.99
    (table,) = [one.frame for one in readable_tables(analysis) if one.title.endswith("compared")]
    assert table["verdict"].tolist() == ["equivalent within +-0.05", "differs"]
    text = "\n".join(findings(analysis))
    assert "Equivalent within +-0.05 (approximate TOST p < 0.001 after Holm)." in text
    assert "the same" not in text
    few = {group: numbers[:5] * 3 - 1.6 for group, numbers in values.items()}
    small = simulate(settings, {mode: [100] * 5 for mode in ("symmetric", "random")})
    small = with_values(small, "accuracy", {group: few[group] for group in ("symmetric", "random")})
    analysis = analyse(small, ["accuracy"], margin=0.001)
    (table,) = [one.frame for one in readable_tables(analysis) if one.title.endswith("compared")]
    assert table["verdict"].tolist() == ["neither"]
    assert "Not shown to be equivalent within +-0.001" in "\n".join(findings(analysis))


def test_equivalence_of_fractions(settings):
    """The test at 5 % agrees with the 90 % interval, and fractions have margins below one."""
    frames = simulate(settings, {"symmetric": [100] * 58 + [NEVER] * 2, "random": [100] * 57 + [NEVER] * 3})
    for margin in (0.06, 0.1):
        (row,) = compare(frames, margin=margin).to_dict("records")
        flags = np.arange(60) < 57, np.arange(60) < 58
        low, high = intervals.difference_of_fractions(*flags, flags, 0.9)
        assert (row["p_equivalence"] < 0.05) == (-margin < low and high < margin)
    assert "Equivalent within +-0.2 (TOST p" in "\n".join(findings(analyse(frames, margin=0.2)))
    with pytest.raises(ConfigError, match="fractions lie between 0 and 1"):
        analyse(frames, margin=5)
    with pytest.raises(ConfigError, match="margin is -1; it must be positive"):
        analyse(frames, margin=-1)


def test_the_files_of_a_report_with_outcomes(settings, tmp_path, monkeypatch):
    from fa_sweep.report import report

    whole = report.draw_all
    monkeypatch.setattr(report, "draw_all", lambda analysis: islice(whole(analysis), 2))  # those of the primary outcome
    frames = simulate(settings, {"symmetric": [100] * 8, "random": [NEVER] * 7 + [DIVERGED]})
    write_report(frames, tmp_path, outcomes=["loss:best", "accuracy:area"], margin=0.05)
    tables = {path.name for path in (tmp_path / "tables").iterdir()}
    for name in ("mean_accuracy_over_training_comparisons", "mean_accuracy_over_training_groups", "best_loss_comparisons"):
        assert {f"{name}.csv", f"{name}.parquet"} <= tables
    assert "comparisons.csv" not in tables
    assert "best_loss_compared.tex" in tables
    head = "Primary outcome: best loss (loss:best), chosen when the report was written."
    assert head in (tmp_path / "report.html").read_text()
    assert head in (tmp_path / "report.md").read_text().replace("\\", "")
    assert (tmp_path / "findings.txt").read_text().startswith(head)
    assert {path.stem for path in (tmp_path / "figures").glob("*.png")} == {"best_loss_values", "best_loss_differences"}
    data = pd.read_csv(tmp_path / "figures" / "best_loss_differences.csv")
    assert np.isinf(data["difference"]).sum() == 1  # the seed at which one run diverged
