"""The report's figures. They compute nothing: each draws a frame of `estimates` or `comparisons`, and hands it back.

With more than six groups the curves are split into panels, one for each combination of the factors beside the feedback mode.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from analysis.comparisons import paired_times
from analysis.estimates import by_level, numeric_factors, survival, trajectories
from analysis.frames import Frames
from analysis.style import COLUMN_WIDTH, Look, legend, looks, new_figure

PANEL_GROUPS = 6
OUTCOMES = {"converged": 0, "not converged": 1, "diverged": 2, "missing": 3}
_DEGREES_PER_RADIAN = 57.3


@dataclass(frozen=True)
class Drawn:
    """A figure with the frame that it shows, a caption and a text for those who do not see it."""

    name: str
    figure: Figure
    data: pd.DataFrame
    title: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Panel:
    """A panel of curves: its title, its groups and how each looks."""

    title: str
    groups: list[str]
    labels: dict[str, str]
    looks: dict[str, Look]


def panels(frames: Frames, present: Sequence[str]) -> list[Panel]:
    """Split groups into panels: one for up to six groups, else one a combination of the factors beside the feedback."""
    factors = {job.group: job.factors for job in frames.jobs}
    others = {g: ", ".join(f"{k}={v}" for k, v in factors[g].items() if k != "feedback") for g in present}
    if len(present) <= PANEL_GROUPS or "feedback" not in frames.factors or len(set(others.values())) == 1:
        return [Panel("", list(present), {g: g for g in present}, looks(present))]
    modes = {g: str(factors[g]["feedback"]) for g in present}
    by_mode = looks(list(dict.fromkeys(modes.values())))
    return [
        Panel(title, members, {g: modes[g] for g in members}, {g: by_mode[modes[g]] for g in members})
        for title in dict.fromkeys(others.values())
        for members in [[g for g in present if others[g] == title]]
    ]


def draw_all(frames: Frames, comparisons: pd.DataFrame) -> Iterator[Drawn]:
    """Yield every figure that the sweep has the data for."""
    present = [g for g in frames.groups if (frames.runs["group"] == g).any()]
    if not present:
        return
    split = panels(frames, present)
    curve = survival(frames)
    if not curve.empty:
        yield _survival(curve, split)
    levels = by_level(frames)
    numbers = numeric_factors(frames)
    if len(numbers) == 2:
        yield _phase_diagram(levels, numbers, frames)
    elif len(numbers) == 1:
        yield _factor_curve(levels, numbers[0], frames)
    yield _learning(frames, split)
    yield from _angles(frames, split)
    if "final.angle_deg/gradient" in frames.runs:
        yield _angle_against_outcome(frames, present)
    pairs = paired_times(frames, comparisons)
    if not pairs.empty:
        yield _paired(pairs)
    yield _outcome_strip(frames)


def _grid(count: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    columns = min(columns, count)
    rows = -(-count // columns)
    figure, axes = new_figure(rows, columns, height=height * rows)
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, axes[:count]


def _survival(curve: pd.DataFrame, split: list[Panel]) -> Drawn:
    columns = min(3, len(split)) if len(split) > 1 else 1
    rows = -(-len(split) // columns)
    most = max(len(panel.groups) for panel in split)
    figure, axes = new_figure(
        2 * rows,
        columns,
        height=rows * (2.5 + 0.3 + 0.17 * most),
        gridspec_kw={"height_ratios": [2.5, 0.17 * most + 0.3] * rows},
    )
    for number, panel in enumerate(split):
        row, column = divmod(number, columns)
        main, table = axes[2 * row * columns + column], axes[(2 * row + 1) * columns + column]
        _draw_survival(main, curve, panel)
        _draw_at_risk(table, curve, panel, main)
        if column == 0:
            main.set_ylabel("fraction not yet converged")
    for number in range(len(split), rows * columns):
        row, column = divmod(number, columns)
        axes[2 * row * columns + column].set_visible(False)
        axes[(2 * row + 1) * columns + column].set_visible(False)
    legend(figure, axes[0], most)
    caption = (
        "Kaplan-Meier estimate of the fraction of runs that have not converged, with 95 % bands; below, the runs still "
        "at risk. A mark at the horizon, the last step at which convergence can begin: runs censored there, diverged ones "
        "among them."
    )
    return Drawn("survival", figure, curve, "Time to convergence", caption, _alt_survival(curve))


def _draw_survival(axes: Axes, curve: pd.DataFrame, panel: Panel) -> None:
    for group in panel.groups:
        part, look = curve[curve["group"] == group], panel.looks[group]
        if part.empty:
            continue
        steps, values = np.r_[0.0, part["step"]], np.r_[1.0, part["survival"]]
        axes.step(steps, values, where="post", color=look.color, linestyle=look.dashes, label=panel.labels[group])
        if len(panel.groups) <= PANEL_GROUPS:
            axes.fill_between(part["step"], part["low"], part["high"], step="post", color=look.color, alpha=0.15, lw=0)
        if part["censored"].iloc[-1]:
            axes.plot(part["step"].iloc[-1], part["survival"].iloc[-1], "+", color=look.color, markersize=9, mew=1.6)
    axes.set(ylim=(-0.02, 1.02), xlabel="step", title=panel.title)
    axes.set_xlim(left=0)


def _draw_at_risk(axes: Axes, curve: pd.DataFrame, panel: Panel, main: Axes) -> None:
    """Write how many runs had not converged before each tick."""
    horizon = float(curve.loc[curve["group"].isin(panel.groups), "step"].max())
    ticks = [t for t in MaxNLocator(3 if panel.title else 6, integer=True).tick_values(0, horizon) if 0 <= t <= horizon]
    main.set_xticks(ticks)
    axes.set(xlim=main.get_xlim(), ylim=(len(panel.groups) - 0.4, -1.4))
    axes.axis("off")
    axes.text(0, -1.0, "at risk", fontsize=7, color="0.4", va="center", ha="left", transform=axes.get_yaxis_transform())
    for row, group in enumerate(panel.groups):
        part, color = curve[curve["group"] == group], panel.looks[group].color
        if len(panel.groups) > PANEL_GROUPS:  # colours alone no longer tell them apart
            axes.text(
                -0.01,
                row,
                panel.labels[group],
                fontsize=7,
                color=color,
                va="center",
                ha="right",
                transform=axes.get_yaxis_transform(),
            )
        for tick in ticks:
            earlier = int(part.loc[part["step"] < tick, "events"].sum())
            left = int(part["n"].iloc[0]) - earlier if len(part) else 0
            side = "left" if tick == ticks[0] else "center"
            axes.text(tick, row, str(left), fontsize=7, color=color, va="center", ha=side)


def _alt_survival(curve: pd.DataFrame) -> str:
    ends = curve.groupby("group", sort=False).last()
    parts = [f"{group} ends at {row['survival']:.2f} (n = {row['n']:.0f})" for group, row in ends.iterrows()]
    return f"Survival curves of time to convergence: {'; '.join(parts)}."


def _curves(axes: Axes, frame: pd.DataFrame, panel: Panel) -> None:
    """Draw medians with quartile bands of one metric."""
    for group in panel.groups:
        part, look = frame[frame["group"] == group], panel.looks[group]
        every = max(1, len(part) // 6)
        axes.plot(
            part["step"], part["median"], color=look.color, linestyle=look.dashes, marker=look.marker, markersize=3.5,
            markevery=every, label=panel.labels[group],
        )  # fmt: skip
        if len(panel.groups) <= PANEL_GROUPS:
            axes.fill_between(part["step"], part["q25"], part["q75"], color=look.color, alpha=0.15, lw=0)
    axes.set_xlabel("step")
    axes.set_xlim(left=0)


def _learning(frames: Frames, split: list[Panel]) -> Drawn:
    metrics = [m for m in ("accuracy", "loss") if m in frames.histories]
    data = pd.concat([trajectories(frames, metric) for metric in metrics], ignore_index=True)
    figure, axes = new_figure(len(split), len(metrics), height=2.6 * len(split))
    for row, panel in enumerate(split):
        for column, metric in enumerate(metrics):
            here = axes[row * len(metrics) + column]
            part = data[(data["metric"] == metric) & data["group"].isin(panel.groups)]
            _curves(here, part, panel)
            here.set(ylabel=metric, title=panel.title)
            if metric == "loss" and (part["q25"] > 0).all() and part["q75"].max() > 20 * part["q25"].min():
                here.set_yscale("log")
    legend(figure, axes[0], max(len(panel.groups) for panel in split))
    caption = (
        "Median over the runs of a group, with the band from the first to the third quartile, over the whole evaluation set."
    )
    return Drawn("learning_curves", figure, data, "Learning curves", caption, _alt_curves(data, metrics))


def _alt_curves(data: pd.DataFrame, metrics: Sequence[str]) -> str:
    parts = []
    for (metric, group), part in data.groupby(["metric", "group"], observed=True, sort=False):
        parts.append(f"{metric} of {group} goes from {part['median'].iloc[0]:.3g} to {part['median'].iloc[-1]:.3g}")
    return f"Medians of {' and '.join(metrics)} over steps: {'; '.join(parts)}."


def _angles(frames: Frames, split: list[Panel]) -> Iterator[Drawn]:
    layers = frames.layers
    kinds = {
        "gradient": ("Gradient angle", ["angle_deg/gradient"]),
        "signal": ("Signal angle", [f"angle_deg/signal_layer_{n}" for n in range(1, layers)]),
        "weight": ("Weight alignment", [f"angle_deg/weight_layer_{n}" for n in range(2, layers + 1)]),
    }
    captions = {
        "gradient": "Angle between the mode's update of the hidden layers and the true gradient.",
        "signal": "Angle between the mode's error signal and backpropagation's, mean over the examples where it is defined.",
        "weight": "Angle between feedback matrix and transposed forward weight. Grey: 95 % of independent draws, one matrix.",
    }
    for kind, (title, metrics) in kinds.items():
        known = [m for m in metrics if m in frames.histories and frames.histories[m].notna().any()]
        if not known:
            continue
        data = pd.concat([trajectories(frames, metric) for metric in known], ignore_index=True)
        figure, axes = _grid(len(split) * len(known), len(known) if len(split) > 1 else 3, 2.5)
        for number, (panel, metric) in enumerate((p, m) for p in split for m in known):
            here = axes[number]
            _curves(here, data[data["metric"] == metric], panel)
            here.axhline(90, color="0.35", lw=0.9, linestyle=(0, (2, 2)))
            if kind == "weight":
                half = _chance_half_width(frames, int(metric.rpartition("_")[2]))
                if half is not None:
                    here.axhspan(90 - half, 90 + half, color="0.5", alpha=0.15, lw=0)
            layer = "hidden layers" if kind == "gradient" else f"layer {metric.rpartition('_')[2]}"
            top = max(100.0, np.nanmax([data["q75"].max(), 0.0]) + 5)
            here.set(
                ylim=(0, top),
                yticks=[t for t in range(0, 181, 30) if t <= top],
                title=", ".join(filter(None, [panel.title, layer])),
            )
            here.set_ylabel("angle (degrees)")
        legend(figure, axes[0], max(len(panel.groups) for panel in split))
        caption = (
            f"{captions[kind]} Median and quartiles over the runs where it is defined; dashed: 90 degrees, nothing in common."
        )
        yield Drawn(f"angle_{kind}", figure, data, title, caption, _alt_curves(data, known))


def _chance_half_width(frames: Frames, layer: int) -> float | None:
    """Return 1.96 SD of the angle between independent matrices, 57.3 / sqrt(n) degrees; None where sizes differ."""
    sizes = set()
    for job in frames.jobs:
        hidden = job.run.model.hidden
        if layer <= len(hidden):
            sizes.add(hidden[layer - 1] * hidden[layer - 2])
        elif layer == len(hidden) + 1:
            sizes.add(hidden[-1] * job.output_width)
    return 1.96 * _DEGREES_PER_RADIAN / float(np.sqrt(sizes.pop())) if len(sizes) == 1 else None


def _angle_against_outcome(frames: Frames, present: Sequence[str]) -> Drawn:
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
            # A line each for the outcomes, and a fixed spread by seed: no point hides another by chance.
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
    caption = "Is alignment the same as learning? Each point is a run."
    caption += f" {undefined} runs without a defined angle are left out." if undefined else ""
    medians = data.groupby(["group", "outcome"], observed=True)["angle_deg"].median().dropna()
    alt = "Gradient angle at the end by outcome; medians: " + "; ".join(
        f"{g}, {o}: {v:.0f} degrees" for (g, o), v in medians.items()
    )
    return Drawn("angle_against_outcome", figure, data, "Angle at the end against outcome", caption, alt + ".")


def _paired(pairs: pd.DataFrame) -> Drawn:
    shown = list(dict.fromkeys(zip(pairs["group"], pairs["reference"], strict=True)))[:6]
    figure, axes = _grid(len(shown), 3 if len(shown) > 2 else 2, 2.6)
    for here, (group, reference) in zip(axes, shown, strict=False):
        part = pairs[(pairs["group"] == group) & (pairs["reference"] == reference)]
        horizon = float(part["horizon"].max())
        # Square roots: most runs that converge do so early, and would hide each other.
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
        "Steps to convergence of the same seed under two modes; a larger dot, with its number, stands for several seeds. "
        "Grey margin: never converged. Axes are square roots. Above the diagonal the reference was faster."
    )
    everywhere = len(set(zip(pairs["group"], pairs["reference"], strict=True)))
    caption += f" The first six of {everywhere} comparisons." if everywhere > 6 else ""
    alt = "Paired times to convergence: " + "; ".join(f"{g} against {r}" for g, r in shown) + "."
    return Drawn("paired_seeds", figure, pairs, "The same seed under two modes", caption, alt)


def _round_down(value: float) -> float:
    """Return the value cut to one significant digit."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** np.floor(np.log10(value))
    return float(np.floor(value / unit) * unit)


def _short(name: str, longest: int = 28) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _factor_curve(levels: pd.DataFrame, factor: str, frames: Frames) -> Drawn:
    others = [name for name in frames.factors if name != factor]
    labels = levels[others].astype(str).agg(", ".join, axis=1) if others else pd.Series("all runs", index=levels.index)
    figure, (axes,) = new_figure(height=3.2)
    names = list(dict.fromkeys(labels))
    for name, look in looks(names).items():
        part = levels[labels == name].sort_values(factor)
        error = [part["fraction"] - part["low"], part["high"] - part["fraction"]]
        axes.errorbar(
            part[factor], part["fraction"], yerr=np.abs(np.array(error)), color=look.color, linestyle=look.dashes,
            marker=look.marker, markersize=4, capsize=2, lw=1.2, label=name,
        )  # fmt: skip
    if (levels[factor] > 0).all() and levels[factor].max() >= 10 * levels[factor].min():
        axes.set_xscale("log")
        axes.set_xticks(sorted(levels[factor].unique()), labels=[f"{v:g}" for v in sorted(levels[factor].unique())])
        axes.minorticks_off()
    axes.set(xlabel=factor, ylabel="fraction converged", ylim=(-0.03, 1.03))
    legend(figure, axes, len(names))
    caption = f"Fraction of runs that converged at each level of {factor}, with Wilson's 95 % intervals; n in the table."
    alt = "; ".join(
        f"{n} at {factor} {v:g}: {f:.2f}" for n, v, f in zip(labels, levels[factor], levels["fraction"], strict=True)
    )
    return Drawn("factor_curve", figure, levels, f"Convergence against {factor}", caption, alt + ".")


def _phase_diagram(levels: pd.DataFrame, factors: Sequence[str], frames: Frames) -> Drawn:
    x, y = factors
    others = [name for name in frames.factors if name not in factors]
    labels = levels[others].astype(str).agg(", ".join, axis=1) if others else pd.Series("", index=levels.index)
    names = list(dict.fromkeys(labels))
    figure, axes = _grid(len(names), 2 if len(names) > 1 else 1, 0.9 + 0.42 * levels[y].nunique())
    for here, name in zip(axes, names, strict=True):
        part = levels[labels == name]
        grid, counts = (part.pivot_table(index=y, columns=x, values=v).sort_index(ascending=False) for v in ("fraction", "n"))
        text = grid.map(lambda v: "" if np.isnan(v) else f"{v:.2f}") + counts.map(
            lambda v: "" if np.isnan(v) else f"\nn={v:.0f}"
        )
        sns.heatmap(
            grid,
            annot=text,
            fmt="",
            vmin=0,
            vmax=1,
            cmap="cividis",
            ax=here,
            annot_kws={"size": 7},
            linewidths=0.5,
            cbar_kws={"label": "fraction converged"},
        )
        here.set(title=name, xlabel=x, ylabel=y)
        here.tick_params(axis="y", rotation=0)
    alt = "; ".join(
        f"{n} {x}={a:g} {y}={b:g}: {f:.2f}" for n, a, b, f in zip(labels, levels[x], levels[y], levels["fraction"], strict=True)
    )
    return Drawn(
        "phase_diagram",
        figure,
        levels,
        f"Convergence over {x} and {y}",
        "Fraction of runs that converged, and n, in each cell.",
        alt + ".",
    )


def _outcome_strip(frames: Frames) -> Drawn:
    planned = pd.DataFrame([{"group": job.group, "seed": job.run.seed, "run_id": job.run_id} for job in frames.jobs])
    data = planned.merge(frames.runs[["run_id", "outcome"]], on="run_id", how="left")
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
        data.drop(columns="run_id"),
        "Every run once",
        "The outcome of each seed under each group.",
        alt,
    )


def _every(count: int) -> Any:
    """Return the spacing of tick labels that keeps them apart."""
    return max(1, count // 15)
