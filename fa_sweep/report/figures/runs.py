"""Draw single runs: their angles by outcome, differences at each seed, times of one seed in two groups, and all outcomes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fa_sweep.report.figures.panels import Drawn, grid
from fa_sweep.report.figures.style import COLUMN_WIDTH, new_figure
from fa_sweep.report.frames import Frames

OUTCOMES = {"converged": 0, "not converged": 1, "diverged": 2, "missing": 3}


def draw_angle_against_outcome(frames: Frames, present: Sequence[str]) -> Drawn:
    """Draw one point per run at its final gradient angle. Each group has a row, with one line of points per outcome."""
    data = frames.runs[["group", "seed", "outcome", "final.angle_deg/gradient"]].rename(
        columns={"final.angle_deg/gradient": "angle_deg"}
    )
    figure, (axes,) = new_figure(height=0.8 + 0.42 * len(present))
    styles = {"converged": ("o", 0), "not_converged": ("X", 1), "diverged": ("^", 3)}
    palette = sns.color_palette("colorblind")
    for row, group in enumerate(present):
        part = data[data["group"] == group]
        for place, (outcome, (marker, color)) in enumerate(styles.items()):
            some = part[part["outcome"] == outcome]
            # Spread the points around their line, so that they overlap less. A point's place depends only on its seed, not on
            # chance, so the same runs give the same figure.
            spread = row + 0.26 * (place - 1) + 0.1 * (((some["seed"] * 0.618034) % 1.0) - 0.5)
            axes.plot(some["angle_deg"], spread, marker, color=palette[color], markersize=4, alpha=0.75, mew=0)
    axes.axvline(90, color="0.35", lw=0.9, linestyle=(0, (2, 2)))
    axes.set_yticks(range(len(present)), labels=list(present))
    axes.set(
        ylim=(len(present) - 0.5, -0.5),
        xlabel="gradient angle at the end (degrees)",
        xlim=(-3, max(100.0, 5 + data["angle_deg"].max(skipna=True) if data["angle_deg"].notna().any() else 100.0)),
    )
    handles = [
        Line2D([], [], color=palette[c], marker=m, linestyle="", label=outcome.replace("_", " "))
        for outcome, (m, c) in styles.items()
        if (data["outcome"] == outcome).any()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    undefined = int(data["angle_deg"].isna().sum())
    caption = "Does alignment go together with convergence? Each point is one run."
    caption += f" Runs without a defined angle are left out: {undefined}." if undefined else ""
    medians = data.groupby(["group", "outcome"], observed=True)["angle_deg"].median().dropna()
    alt = "Median gradient angle at the end by outcome, in degrees: " + "; ".join(
        f"{g}, {o.replace('_', ' ')}: {v:.0f}" for (g, o), v in medians.items()
    )
    return Drawn("angle_against_outcome", figure, data, "Angle at the end against outcome", caption, alt + ".")


def draw_final_differences(frames: Frames, final: pd.DataFrame, most: int = 12) -> Drawn:
    """Draw each comparison's difference of mean final values with its interval, and the difference at each shared seed.

    Args:
        frames: The sweep.
        final: The table of `compare_final`, without undefined differences.
        most: How many comparisons to draw at most.
    """
    shown = final.head(most)
    data = pd.concat([_differences(frames, row) for _, row in shown.iterrows()], ignore_index=True)
    figure, (axes,) = new_figure(height=0.9 + 0.42 * len(shown))
    color = sns.color_palette("colorblind")[0]
    for place, (_, row) in enumerate(shown.iterrows()):
        part = data[(data["group"] == row["group"]) & (data["reference"] == row["reference"])]
        spread = place + 0.24 + 0.14 * (((part["seed"] * 0.618034) % 1.0) - 0.5)
        axes.plot(part["difference"], spread, "o", color="0.55", markersize=3, alpha=0.6, mew=0)
        if not np.isnan(row["difference_low"]):
            axes.plot([row["difference_low"], row["difference_high"]], [place, place], color=color, lw=2)
        axes.plot([row["difference"]], [place], "D", color=color, markersize=5)
    axes.axvline(0, color="0.35", lw=0.9, linestyle=(0, (2, 2)))
    names = [f"{_short(row['group'])}\nagainst {_short(row['reference'])}" for _, row in shown.iterrows()]
    axes.set_yticks(range(len(shown)), labels=names)
    metrics = " or ".join(dict.fromkeys(shown["metric"].str.replace("_", " ")))
    axes.set(ylim=(len(shown) - 0.4, -0.5), xlabel=f"difference of the final {metrics}")
    caption = (
        f"Diamonds are differences of the mean final {metrics}, with 95 % intervals that refer to each comparison by itself. "
    )
    caption += "Grey dots are the differences at single seeds that both groups have."
    caption += f" The first {most} of {len(final)} comparisons are shown." if len(final) > most else ""
    parts = [f"{row['group']} minus {row['reference']} {row['difference']:.3g}" for _, row in shown.iterrows()]
    alt = f"Differences of the mean final {metrics}"
    return Drawn("final_differences", figure, data, f"Final {metrics} compared", caption, f"{alt}: {'; '.join(parts)}.")


def _differences(frames: Frames, row: pd.Series) -> pd.DataFrame:
    """Return a comparison's difference of means in the first row (with seed NaN), then the difference at each shared seed."""
    runs = frames.runs.set_index("seed")[["group", f"final.{row['metric']}"]]
    ours, theirs = (runs.loc[runs["group"] == row[name], f"final.{row['metric']}"] for name in ("group", "reference"))
    pairs = (ours - theirs).dropna().rename("difference").reset_index()
    whole = row[["difference", "difference_low", "difference_high"]].to_frame().T.assign(seed=np.nan)
    parts = [whole] if pairs.empty else [whole, pairs]
    found = pd.concat(parts, ignore_index=True).astype(float)
    return found.assign(group=row["group"], reference=row["reference"], metric=row["metric"])


def draw_paired(pairs: pd.DataFrame) -> Drawn:
    """Draw each shared seed's time to convergence in a group against its time in the reference.

    Args:
        pairs: The table of `paired_times`. Only its first six comparisons are drawn.
    """
    shown = list(dict.fromkeys(zip(pairs["group"], pairs["reference"], strict=True)))[:6]
    figure, axes = grid(len(shown), 3 if len(shown) > 2 else 2, 2.6)
    for here, (group, reference) in zip(axes, shown, strict=False):
        part = pairs[(pairs["group"] == group) & (pairs["reference"] == reference)]
        horizon = float(part["horizon"].max())
        # The axes show square roots, because most runs converge early and would overlap on a linear axis.
        x, y = (np.sqrt(part[c] / horizon).fillna(1.12) for c in ("reference_steps", "group_steps"))
        here.axvspan(1.05, 1.2, color="0.93", lw=0)
        here.axhspan(1.05, 1.2, color="0.93", lw=0)
        here.plot([0, 1], [0, 1], color="0.5", lw=0.8)
        here.scatter(x, y, s=14 + 9 * part["n"] ** 0.8, color=sns.color_palette("colorblind")[0], alpha=0.6, lw=0)
        for px, py, n in zip(x, y, part["n"], strict=True):
            if n > 4:
                here.text(px, py, str(n), fontsize=6.5, ha="center", va="center")
        ticks = [_round_down(f * horizon) for f in (0, 0.05, 0.2, 0.6)]
        places = [*np.sqrt(np.array(ticks) / horizon), 1.12]
        names = [f"{t:.0f}" for t in ticks] + ["never"]
        here.set_xticks(places, names, rotation=35, ha="right", rotation_mode="anchor")
        here.set_yticks(places, names)
        here.set(xlim=(-0.05, 1.2), ylim=(-0.05, 1.2))
        here.set_xlabel(f"{_short(reference)}, steps")
        here.set_ylabel(f"{_short(group)}, steps")
    caption = (
        "Steps to convergence of each seed in two groups. A larger dot stands for several seeds, and shows their number from "
        "five on. Seeds in the grey margins never converged in that group. Both axes have a square-root scale. Above the "
        "diagonal, the reference converged earlier."
    )
    everywhere = len(set(zip(pairs["group"], pairs["reference"], strict=True)))
    caption += f" The first six of {everywhere} comparisons are shown." if everywhere > 6 else ""
    alt = "Times to convergence of the same seeds in two groups: " + "; ".join(f"{g} against {r}" for g, r in shown) + "."
    return Drawn("paired_seeds", figure, pairs, "Each seed in two groups", caption, alt)


def _round_down(value: float) -> float:
    """Round a value down to one significant digit; 0 if it is not positive."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** np.floor(np.log10(value))
    return float(np.floor(value / unit) * unit)


def _short(name: str, longest: int = 28) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def draw_outcomes(frames: Frames) -> Drawn:
    """Draw every planned run as a cell coloured by its outcome, one row per group and one column per seed."""
    planned = pd.DataFrame([{"group": job.group, "seed": job.run.seed, "name": job.name} for job in frames.jobs])
    data = planned.merge(frames.runs[["name", "outcome"]], on="name", how="left")
    data["outcome"] = data["outcome"].str.replace("_", " ").fillna("missing")
    codes = data.assign(code=data["outcome"].map(OUTCOMES)).pivot_table(
        index="group", columns="seed", values="code", sort=False
    )
    codes = codes.reindex(frames.groups)[sorted(codes.columns)]
    palette = sns.color_palette("colorblind")
    colors = [palette[0], palette[1], palette[3], (0.92, 0.92, 0.92)]
    figure, (axes,) = new_figure(height=1.0 + 0.28 * len(codes), width=COLUMN_WIDTH)
    few = codes.shape[1] <= 100
    sns.heatmap(
        codes, cmap=ListedColormap(colors), vmin=-0.5, vmax=3.5, cbar=False, ax=axes, linewidths=0.6 if few else 0,
        linecolor="white", xticklabels=_every(codes.shape[1]),
    )  # fmt: skip
    axes.set(xlabel="seed", ylabel="")
    axes.tick_params(axis="y", rotation=0, length=0)
    axes.tick_params(axis="x", rotation=0)
    axes.grid(visible=False)
    seen = [name for name in OUTCOMES if (data["outcome"] == name).any()]
    handles = [Patch(color=colors[OUTCOMES[name]], label=name) for name in seen]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    counts = data.groupby(["group", "outcome"], sort=False).size()
    alt = "Outcome of every run: " + "; ".join(f"{g}: {n} {o}" for (g, o), n in counts.items()) + "."
    return Drawn(
        "outcomes",
        figure,
        data.drop(columns="name"),
        "Outcome of every run",
        "Each cell is one run: the outcome of one seed in one group.",
        alt,
    )


def _every(count: int) -> Any:
    """Return n: only every n-th of `count` ticks gets a label, so that the labels do not overlap."""
    return max(1, count // 15)
