"""Writes the results as a page, RESULTS.md, and a figure, RESULTS.png."""

import os
import platform
import statistics
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.measure import Row
from fa_sweep.sweeping.environment import environment

PARTS = {
    "main job": "The main job against other ways to run it: whole processes, warm databases, `report=false`",
    "size": "By size: the main job with more seeds, whole processes, trained and tracked",
    "start": "Start",
    "composition": "Composition: jobs composed, checked, named and identified",
    "engine": "Training: the seed's network, 5,001 steps, one core unless said otherwise",
    "tracking": "Tracking: whole histories into MLflow, 8 metrics x 51 points and 32 last values a run",
    "report": "The report, a process of its own",
}
LIBRARIES = ("hydra-core", "mlflow", "sqlalchemy", "numba", "jax", "torch", "optuna", "ray", "hydra-joblib-launcher", "psycopg")


def machine() -> str:
    """Describe the machine, the versions of the libraries and the commit in one sentence."""
    env = environment()
    cpus = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    simd = "AVX-512" if "AVX512" in env["simd"] else "AVX2" if "AVX2" in env["simd"] else "neither AVX2 nor AVX-512"
    libraries = [f"{name} {found}" for name in LIBRARIES if (found := _version(name))]
    return (
        f"{os.cpu_count()} shared cores ({cpus[0] if cpus else platform.machine()}, {simd}), {memory:.0f} GiB, Python "
        f"{env['python']}, NumPy {env['numpy']} ({env['blas']}), {', '.join(libraries)}; commit {env['git_commit'][:7]}."
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def write(rows: Sequence[Row], folder: Path) -> None:
    """Write RESULTS.md into a folder, and RESULTS.png if any row has ratios."""
    compared = [row for row in rows if row.ratios]
    lines = [
        "# Timings", "",
        "Written by `make bench`: everything in one run on one machine, each pair in turn; a ratio is the median over pairs, "
        "with their range: how many times ours goes into the other. Machine: " + machine() + " Shared, so ratios count.",
        "", "![ratios](RESULTS.png)",
    ]  # fmt: skip
    for part, title in PARTS.items():
        if some := [row for row in rows if row.part == part]:
            lines += [
                "",
                f"## {title}",
                "",
                "| ratio | what | fa_sweep | the other | target |",
                "| --- | --- | --- | --- | --- |",
            ]
            lines += [f"| {row.ratio} | {row.what} | {row.ours} | {row.other} | {row.target} |" for row in some]
    (folder / "RESULTS.md").write_text("\n".join(lines) + "\n")
    if compared:
        _draw(compared, folder / "RESULTS.png")


def _draw(rows: Sequence[Row], path: Path) -> None:
    """Draw the ratios on a logarithmic axis: one mark per comparison, with a bar for the range over its pairs."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter

    figure, axes = plt.subplots(figsize=(9.5, 0.26 * len(rows) + 1.1), layout="constrained")
    parts = list(dict.fromkeys(row.part for row in rows))
    for position, row in enumerate(reversed(rows)):
        colour = f"C{parts.index(row.part)}"
        middle = statistics.median(row.ratios)
        axes.plot([min(row.ratios), max(row.ratios)], [position] * 2, color=colour, linewidth=2, alpha=0.5)
        axes.plot(middle, position, "o", color=colour)
        axes.annotate(row.ratio.split(" ")[0], (max(row.ratios), position), (6, -3), textcoords="offset points", fontsize=8)
    axes.axvline(1, color="0.5", linewidth=1)
    axes.set_xscale("log")
    axes.margins(x=0.12, y=0.02)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.set_yticks(
        range(len(rows)), [f"{row.part}: {row.what.replace(', against', ' v.')}" for row in reversed(rows)], fontsize=8
    )
    axes.set_xlabel("times the cost of fa_sweep; right of 1 fa_sweep is cheaper\nbars: range over the pairs")
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.savefig(path, dpi=110)
