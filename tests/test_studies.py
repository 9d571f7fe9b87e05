"""Every preset is whole, and its study finds numbers, verdicts and a figure in what it makes: here in small."""

import re
from pathlib import Path

import pandas as pd
import pytest

from analysis.comparisons import COLUMNS
from analysis.figures import draw_all
from analysis.frames import from_sweep
from analysis.studies import STUDIES
from analysis.studies.__main__ import main, readable
from analysis.studies.base import CONFIRMED, DIFFERS, REFUTED
from fa_sweep.sweep.folder import all_sweeps

ROOT = Path(__file__).resolve().parent.parent
SMALL = {
    "seed_post": ("train.steps=301",),
    "seed_post_squared": ("train.steps=301",),
    "init_scale": ("train.steps=301",),
    "lillicrap_linear": ("train.steps=401", "task.held_out=20"),
    "lillicrap_linear_fast": ("train.steps=401", "task.held_out=20"),
    "lillicrap_omega": ("train.steps=401", "task.held_out=20"),
    "lillicrap_nonlinear": ("train.steps=200", "task.held_out=20", "train.eval_at=log:8"),
    "song_alignment": ("train.steps=20", "train.eval_at=log:6"),
    "digits": ("train.epochs=1", "train.eval_every=20", "task.held_out=100"),
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
    seeds = 10 if study.name in ("digits", "lillicrap_nonlinear") else 3
    assert fa_sweep(f"+experiment={study.name}", f"seed=range({seeds})", "report=false", *SMALL[study.name]) == 0
    (sweep,) = all_sweeps()
    frames = from_sweep(sweep)
    assert not frames.about.missing
    table = study.numbers(frames)
    verdicts = study.judge(frames, table)
    assert {v.verdict for v in verdicts} <= {CONFIRMED, REFUTED, DIFFERS}
    assert len({v.claim for v in verdicts}) == len(verdicts)
    drawn = study.draw(frames, table)
    assert drawn.name == study.name
    assert len(readable(table)) == len(frames.groups)
    for figure in (drawn.figure, *(d.figure for d in draw_all(frames, pd.DataFrame(columns=COLUMNS)))):
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
        assert re.search(r"\*\*(confirmed|refuted|differs)\*\*", page)
    assert index.index("three claims") < index.index("All studies")


@pytest.mark.slow
def test_a_preset_as_it_stands_brings_its_figure_and_its_page(fa_sweep, tmp_path):
    assert fa_sweep("+experiment=seed_post") == 0
    (report,) = Path("outputs/reports").iterdir()
    assert (report / "figures/seed_post.png").stat().st_size > 10_000
    assert main(["seed_post", "--out", str(tmp_path / "pages")]) == 0
    page = (tmp_path / "pages/seed_post.md").read_text()
    for line in (ROOT / "analysis/findings/seed_post.md").read_text().splitlines():
        if line.startswith("|"):
            assert line in page  # the committed numbers are those that the code gives


def test_findings_come_from_whole_sweeps_of_the_preset_as_it_stands(fa_sweep, capfd, tmp_path):
    assert main(["seed_post", "--out", str(tmp_path / "pages")]) == 2
    assert "run python -m fa_sweep +experiment=seed_post first" in capfd.readouterr().err
    assert fa_sweep("+experiment=seed_post", "seed=0", "train.steps=101", "report=false") == 0
    assert main(["seed_post", "--out", str(tmp_path / "pages")]) == 2
    assert main(["seed_pst"]) == 2
    assert "did you mean seed_post" in capfd.readouterr().err
