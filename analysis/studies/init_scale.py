"""How the outcome depends on the scale of the initial weights, the feedback's scale held at 1."""

from collections.abc import Sequence

import pandas as pd

from analysis.estimates import group_table
from analysis.figures.panels import Drawn
from analysis.figures.style import legend, new_figure
from analysis.frames import Frames
from analysis.statements import share
from analysis.studies.base import CONFIRMED, REFUTED, Study, Verdict
from analysis.studies.drawing import draw_against
from analysis.studies.seed_post import SEEDS_MODES, beats

EVENTS = {"reached": "reached", "at_end": "at the end", "converged": "converged"}


def numbers(frames: Frames) -> pd.DataFrame:
    """Return the counts and fractions of the three events a row a group, with mode and scale as columns."""
    levels = frames.runs.drop_duplicates("group").set_index("group")
    table = group_table(frames)
    mode, scale = (table["group"].map(levels[f"factor.{name}"].to_dict()) for name in ("feedback", "init.scale"))
    return table.assign(mode=mode, scale=scale.astype(float))


def draw(frames: Frames, table: pd.DataFrame) -> Drawn:
    """Draw the phase diagram: each event's fraction against the scale."""
    figure, axes = new_figure(1, 3, height=3.0, sharey=True)
    for here, (event, title) in zip(axes, EVENTS.items(), strict=True):
        columns = {f"{event}_fraction": "median", f"{event}_low": "low", f"{event}_high": "high"}
        draw_against(here, table.rename(columns=columns), "scale", "mode", ("init.scale", ""), log=True)
        here.set(title=title, ylim=(-0.03, 1.03))
    axes[0].set_ylabel("fraction of runs")
    legend(figure, axes[0], 4)
    caption = "Fractions of 100 runs with Wilson's 95 % intervals; feedback matrices N(0, 1) throughout."
    alt = "; ".join(f"{r.mode} at {r.scale:g}: converged {r.converged} of {r.n}" for r in table.itertuples())
    return Drawn("init_scale", figure, table, "Outcomes against the scale of the initial weights", caption, alt)


def judge(frames: Frames, table: pd.DataFrame) -> Sequence[Verdict]:
    """Judge whether smaller weights help fixed feedback, and where it beats the control."""
    random = table[table["mode"] == "random"].sort_values("scale")
    best, at_one = random.loc[random["converged_fraction"].idxmax()], random[random["scale"] == 1.0].iloc[0]
    smaller = CONFIRMED if best["scale"] < 1 and best["converged_low"] > at_one["converged_high"] else REFUTED
    found = f"best at init.scale {best['scale']:g}: {share(best)}; at 1: {share(at_one)}"
    verdicts = [
        Verdict("Fixed random feedback converges more often from weights smaller than N(0, 1).", "not asked", found, smaller)
    ]
    for scale in sorted(table["scale"].unique()):
        groups = {row.mode: row.group for row in table[table["scale"] == scale].itertuples()}
        for mode in SEEDS_MODES[1:3]:
            found, verdict = beats(frames, groups[mode], groups["shallow"])
            verdicts.append(Verdict(f"At init.scale {scale:g} {mode} beats frozen hidden layers.", "not asked", found, verdict))
    return verdicts


STUDY = Study(
    name="init_scale",
    title="How large the initial weights are: the phase diagram of XOR",
    question="The post draws forward and feedback weights from N(0, 1). How much of what it saw depends on that?",
    source="As seed_post, init.scale swept over two orders of magnitude, feedback.scale = 1.",
    numbers=numbers,
    draw=draw,
    judge=judge,
)
