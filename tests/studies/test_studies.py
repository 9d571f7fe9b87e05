"""Every preset runs in a small copy, and its study derives numbers, verdicts and a figure from the result."""

import re
from pathlib import Path

import pytest
from support.places import ROOT

from fa_sweep.report.analysis import analyse
from fa_sweep.report.description import described
from fa_sweep.report.figures import draw_all
from fa_sweep.report.frames import from_sweep
from fa_sweep.studies import STUDIES
from fa_sweep.studies.__main__ import main, readable
from fa_sweep.studies.claims import CONFIRMED, NOT_DECIDED, REFUTED, Kind, decide
from fa_sweep.sweeping.folder import all_sweeps

SMALL = {
    "seed_post": ("train.steps=301",),
    "seed_post_squared": ("train.steps=301",),
    "init_scale": ("train.steps=301",),
    "lillicrap_linear": ("train.steps=401", "task.held_out=20"),
    "lillicrap_linear_fast": ("train.steps=401", "task.held_out=20"),
    "lillicrap_omega": ("train.steps=401", "task.held_out=20"),
    "lillicrap_nonlinear": ("train.steps=200", "task.held_out=20", "train.eval_at=log:8"),
    "song_alignment": ("train.steps=20", "train.eval_at=log:6"),
    "digits": ("train.epochs=1", "train.eval_every=20", "task.held_out=100", "train.lr=0.1,1", "tune.seeds=3"),
}


def labels(figure):
    figure.canvas.draw()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            yield from (tick.get_text() for tick in axis.get_ticklabels(which="both"))


@pytest.mark.parametrize(
    "study",
    [pytest.param(s, id=s.name, marks=[] if s.name in ("seed_post", "init_scale") else [pytest.mark.slow]) for s in STUDIES],
)
def test_a_small_copy_of_each_study(fa_sweep, study):
    seeds = {"digits": "3,9", "lillicrap_nonlinear": "10"}.get(study.name, "3")
    assert fa_sweep(f"+experiment={study.name}", f"seed=range({seeds})", "report=false", *SMALL[study.name]) == 0
    sweep = all_sweeps()[-1]
    frames = from_sweep(sweep)
    assert not frames.about.missing
    table = study.numbers(frames)
    claims = study.judge(frames, table)
    assert len({claim.text for claim in claims}) == len(claims)
    for claim in claims:
        # Every verdict follows the rule, and the page shows every interval, so that a reader can apply the rule too.
        by_rule = {decide(check.estimate.low, check.estimate.high, check.region) for check in claim.checks}
        assert claim.verdict == (REFUTED if REFUTED in by_rule else CONFIRMED if by_rule == {CONFIRMED} else NOT_DECIDED)
        assert claim.found.count("95 % CI") + claim.found.count("no interval") == len(claim.checks)
        assert claim.known.kind is not Kind.NONE or str(claim.known) == "-"
    assert all(isinstance(remark, str) for remark in study.remarks(frames, table))
    drawn = study.draw(frames, table)
    assert drawn.name == study.name
    assert len(readable(table)) == table["group"].nunique() >= len(frames.groups)
    lines = described(frames.jobs)
    assert lines[0].startswith("Task: ")
    assert lines[-1].startswith("What differs between groups: ")
    for figure in (drawn.figure, *(d.figure for d in draw_all(analyse(frames)))):
        assert not [text for text in labels(figure) if "$" in text]


def test_a_preset_each_and_a_page_each():
    names = {study.name for study in STUDIES}
    assert {path.stem for path in (ROOT / "conf/experiment").glob("*.yaml")} == names
    pages = ROOT / "analysis/findings"
    assert {path.stem for path in pages.glob("*.png")} == names
    index = (pages / "README.md").read_text()
    for name in names:
        assert f"({name}.md)" in index
        page = (pages / f"{name}.md").read_text()
        assert f"+experiment={name}" in page
        assert re.search(r"\*\*(confirmed|refuted|not decided)\*\*", page)
        assert page.index("- Task: ") < page.index("- What differs between groups: ") < page.index("## Verdict")
    assert index.index("three claims") < index.index("All studies")


def test_digits_chooses_rates_on_seeds_and_images_that_do_not_judge(fa_sweep):
    from fa_sweep.studies import digits

    small = ["feedback=symmetric,shallow", "train.lr=0.03,0.3", "seed=range(3,9)", "tune.seeds=3", "train.epochs=1"]
    assert fa_sweep("+experiment=digits", "report=false", "task.held_out=100", "task.validation=50", *small) == 0
    first, second = all_sweeps()
    frames = from_sweep(second)
    table = digits.numbers(frames)
    counted = table.groupby("quantity")["n"].max()
    assert counted[digits.CHOOSING] == 3
    assert counted[digits.ACCURACY] == 6
    assert {(job.run.seed, job.run.task.evaluate_on) for job in first.jobs} == {(seed, "validation") for seed in range(3)}
    assert {(job.run.seed, job.run.task.evaluate_on) for job in second.jobs} == {(seed, "test") for seed in range(3, 9)}
    # With two rates, either choice is at the edge of the grid.
    remarks = digits.remarks(frames, table)
    assert any("lie at the edge of the grid" in remark for remark in remarks)
    assert any(remark.startswith("What the selection saw: the validation images") for remark in remarks)
    (claim,) = digits.judge(frames, table)
    assert "n = 6" in claim.found
    # Each seed draws its own split of the images.
    assert {job.run.task.split_seed for job in frames.jobs} == set(range(3, 9))


@pytest.mark.slow
def test_a_preset_as_it_stands_brings_its_figure_and_its_page(fa_sweep, tmp_path):
    assert fa_sweep("+experiment=seed_post") == 0
    (report,) = Path("outputs/reports").iterdir()
    assert (report / "figures/seed_post.png").stat().st_size > 10_000
    assert main(["seed_post", "--out", str(tmp_path / "pages")]) == 0
    page = (tmp_path / "pages/seed_post.md").read_text()
    for line in (ROOT / "analysis/findings/seed_post.md").read_text().splitlines():
        if line.startswith("|"):
            assert line in page  # the code reproduces the committed numbers


def test_findings_come_from_whole_sweeps_of_the_preset_as_it_stands(fa_sweep, capfd, tmp_path):
    assert main(["seed_post", "--out", str(tmp_path / "pages")]) == 2
    assert "run python -m fa_sweep +experiment=seed_post first" in capfd.readouterr().err
    assert fa_sweep("+experiment=seed_post", "seed=0", "train.steps=101", "report=false") == 0
    assert main(["seed_post", "--out", str(tmp_path / "pages")]) == 2
    assert main(["seed_pst"]) == 2
    assert "did you mean seed_post" in capfd.readouterr().err
