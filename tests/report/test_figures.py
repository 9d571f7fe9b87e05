"""Figures: legible at any number of groups and with long names, one colour per mode, complete, light or dark with the page."""

import re
import warnings
from itertools import combinations, islice, pairwise
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from support.places import ROOT
from support.simulated import DIVERGED, NEVER, simulate

from fa_sweep.report.analysis import analyse
from fa_sweep.report.figures import colours, draw_all, panels, save, split_into_panels
from fa_sweep.report.figures.colours import OUTCOMES, SHIPPED, distance, looks, looks_of, mode_look, oklab, on_dark
from fa_sweep.report.figures.inline import dark_colours, inline
from fa_sweep.report.figures.style import house_style
from fa_sweep.report.names import names_of
from fa_sweep.report.value_comparisons import compare_values
from fa_sweep.settings.measures import Measure

PATH = "/home/somebody/projects/feedback-alignment/data/raw/2026-11-export/measurements_batch_"


def drawn(frames, first=None):
    """Draw the figures of a sweep, or only the first ones."""
    with house_style():
        return list(islice(draw_all(analyse(frames)), first))


def sweep(settings, count, *, long=False, seeds=12):
    """A sweep of `count` groups: up to four modes, and levels of a number or of a long path."""
    generator, levels = np.random.default_rng(0), {}
    for number in range(count):
        mode, place = ("symmetric", "random", "rerandom", "shallow")[number % 4], number // 4
        other = {"task.path": f"{PATH}{place:03d}_cleaned.csv"} if long else {"init.scale": 0.1 * 2**place}
        levels[", ".join([mode, *(f"{k}={v}" for k, v in other.items())])] = {"feedback": mode, **other}
    times = {g: [None if x < 0.4 else int(100 * (1 + 45 * x)) for x in generator.random(seeds)] for g in levels}
    return simulate(settings, times, factors=levels)


def check(figure, name):
    """No text lies outside its figure, no two labels of an axis overlap, and no axes have collapsed."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    width, height = figure.bbox.width, figure.bbox.height
    texts = [t for axes in figure.axes if axes.get_visible() for t in axes.texts] + [t for g in figure.legends for t in g.texts]
    for axes in figure.axes:
        if not axes.get_visible() or not axes.axison:
            continue
        assert axes.bbox.width > 40, name
        assert axes.bbox.height > 20, name
        texts += [axes.title, axes.xaxis.label, axes.yaxis.label]
        for axis, along in ((axes.xaxis, 0), (axes.yaxis, 1)):
            low, high = sorted(axis.get_view_interval())
            ticks = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
            labels = [t for at, t in ticks if low <= at <= high and t.get_text()]
            texts += labels
            boxes = sorted((t.get_window_extent(renderer) for t in labels if t.get_rotation() == 0), key=lambda b: b.min[along])
            for one, other in pairwise(boxes):
                assert one.max[along] <= other.min[along] + 1, name
    for text in texts:
        if text.get_text():
            box = text.get_window_extent(renderer)
            assert box.x0 >= -1, (name, text.get_text())
            assert box.x1 <= width + 1, (name, text.get_text())
            assert -1 <= box.y0 <= box.y1 <= height + 1, (name, text.get_text())


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("count", [1, pytest.param(3, marks=pytest.mark.slow), 12, pytest.param(20, marks=pytest.mark.slow)])
def test_every_figure_is_legible(settings, count, long):
    frames = sweep(settings, count, long=long)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns if a layout does not work out
        for one in drawn(frames):
            check(one.figure, one.name)
            assert one.alt.endswith(".")
            assert PATH not in one.alt


@pytest.mark.parametrize("count", [1, 12, pytest.param(33, marks=pytest.mark.slow)])
def test_no_group_is_left_out(settings, count):
    """Every figure that has a row or a curve per group shows every group, on as many pages as that takes."""
    frames = sweep(settings, count, seeds=6)
    shown = {}
    for one in drawn(frames):
        shown.setdefault(re.sub(r"_\d+$", "", one.name), []).append(one)
    for name in ("survival", "learning_curves", "angle_gradient", "angle_against_outcome", "final_values", "outcomes"):
        assert {g for page in shown[name] for g in page.data["group"]} == set(frames.groups), name
        pages = len(shown[name])
        assert [page.title.endswith(f"(page {k} of {pages})") for k, page in enumerate(shown[name], 1)] == [pages > 1] * pages


def test_what_no_page_holds_is_said():
    def draw(part):
        return panels.Drawn("rows", Figure(), pd.DataFrame({"group": part}), "Rows", "A caption.", "Rows.")

    pages = list(panels.paged(draw, list(range(100)), 10, "groups"))
    assert [page.name for page in pages] == ["rows", *(f"rows_{k}" for k in range(2, 1 + panels.MOST_PAGES))]
    assert [row for page in pages for row in page.data["group"]] == list(range(10 * panels.MOST_PAGES))
    left = 100 - 10 * panels.MOST_PAGES
    assert pages[-1].caption == f"A caption. {left} of 100 groups are not drawn; the files in tables/ have all of them."
    assert {page.caption for page in pages[:-1]} == {"A caption."}
    (alone,) = panels.paged(draw, [1, 2], 10, "groups")
    assert (alone.name, alone.title, alone.caption) == ("rows", "Rows", "A caption.")


def test_no_panel_has_more_curves_than_a_reader_can_follow(settings):
    for count in (1, 6, 7, 12, 20, 33):
        frames = sweep(settings, count, seeds=1)
        split = split_into_panels(frames, frames.groups, names_of(frames))
        assert [g for panel in split for g in panel.groups if g not in frames.groups] == []
        assert sorted(g for panel in split for g in panel.groups) == sorted(frames.groups)
        assert max(len(panel.groups) for panel in split) <= panels.PANEL_GROUPS
    modes = {
        mode: [100] for mode in SHIPPED if mode != "target_projection"
    }  # which XOR does not allow; one factor of 13 levels
    frames = simulate(settings, modes)
    split = split_into_panels(frames, frames.groups, names_of(frames))
    assert [len(panel.groups) for panel in split] == [4, 4, 5]
    assert all(panel.own_legend for panel in split)


def test_final_values_show_diverged_runs_and_the_test(settings):
    frames = simulate(settings, {"symmetric": [100] * 8, "random": [NEVER] * 6 + [DIVERGED] * 2})
    by_name = {one.name: one for one in drawn(frames)}
    assert "Triangles are runs that diverged. They count as 0." in by_name["final_values"].caption
    assert len(by_name["final_values"].data) == 16
    (row,) = compare_values(frames, Measure("accuracy", "end")).to_dict("records")
    texts = [t.get_text() for t in by_name["final_differences"].figure.axes[0].texts]
    (text,) = texts
    assert text.startswith(f"{row['difference']:.2f} (")
    assert "\np = " in text
    assert by_name["final_differences"].data["seed"].notna().sum() == 8  # one point per shared seed


def test_each_shipped_mode_has_a_colour_of_its_own():
    assert set(SHIPPED) == {path.stem for path in (ROOT / "conf/feedback").glob("*.yaml")}
    for one, other in combinations(SHIPPED.values(), 2):
        assert distance(one.color, other.color) > 0.1
        assert (one.dashes, one.marker) != (other.dashes, other.marker)
    for look in SHIPPED.values():
        assert min(distance(look.color, outcome) for outcome in OUTCOMES.values()) > 0.1
        assert oklab(look.color)[0] < 0.75  # dark enough for a line on white
        assert oklab(on_dark(look.color))[0] > 0.55  # and light enough on a dark page


def test_a_mode_of_one_s_own_has_a_stable_colour(monkeypatch):
    looks_now = [mode_look(name) for name in ("mine", "yours", "theirs", "somebody_s")]
    assert looks_now == [mode_look(name) for name in ("mine", "yours", "theirs", "somebody_s")]
    assert mode_look("mine").color == "#246508"  # the same in every process and on every machine
    taken = [*OUTCOMES.values(), *(look.color for look in SHIPPED.values())]
    for look in looks_now:
        assert min(distance(look.color, other) for other in taken) >= colours.NEAREST


def test_colours_say_mode_and_number(settings):
    frames = sweep(settings, 12, seeds=1)
    jobs = {job.group: job for job in frames.jobs}
    plain = looks_of(jobs, shaded=False)
    assert all(plain[group].color == SHIPPED[job.run.feedback.mode].color for group, job in jobs.items())
    shaded = looks_of(jobs)
    assert len({(look.color, str(look.dashes)) for look in shaded.values()}) == 12
    rates = {f"train.lr={rate}": {"train.lr": rate} for rate in (0.1, 0.001, 0.01)}
    frames = simulate(settings, {name: [100] for name in rates}, factors=rates)
    found = looks_of({job.group: job for job in frames.jobs})
    lightness = [oklab(found[f"train.lr={rate}"].color)[0] for rate in (0.001, 0.01, 0.1)]
    assert lightness == sorted(lightness, reverse=True)  # darker with the number, whatever the order of the sweep
    assert looks(["symmetric", "random"])["random"] == SHIPPED["random"]


def test_a_figure_follows_the_page_s_colours(settings, tmp_path):
    frames = sweep(settings, 8)
    for one in drawn(frames, 3):
        with house_style():
            save(one.figure, one.data, tmp_path, one.name)
        element = inline((tmp_path / f"{one.name}.svg").read_text(), one.name, 'a "title" & <more>')
        root = ElementTree.fromstring(element)  # noqa: S314  our own file
        assert root.get("aria-label") == 'a "title" & <more>'
        plain = [c for c in re.findall(r"(?:fill|stroke): (#\w+)", element) if c not in ("#010101", "#fefefe")]
        assert plain == []
        ids = {node.get("id") for node in root.iter() if node.get("id")}
        assert all(name.startswith(f"{one.name}-") for name in ids)
        assert set(re.findall(r"(?:href=\"|url\()#([^\")]+)", element)) <= ids
        dark = dict(re.findall(r"--c(\w{6}): (#\w{6});", dark_colours([element])))
        assert dark.keys() == set(re.findall(r"var\(--c(\w{6}),", element))
        assert oklab(dark["ffffff"])[0] < 0.25  # white becomes the dark page
