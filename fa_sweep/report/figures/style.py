"""Define how figures look: sizes, and a colour, line style and marker per group. Save them reproducibly, byte for byte."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

COLUMN_WIDTH = 7.0  # inches: the width of a report's column, and of a paper's page
DASHES = ["-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 2))]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*"]

SETTINGS: Any = {  # Any, because matplotlib's type for the keys is a literal of all its settings
    "svg.hashsalt": "fa_sweep",  # without it, ids in the SVG are random
    "svg.fonttype": "path",
    "pdf.fonttype": 3,  # embedding Type 42 fonts would take twice as long as writing the rest of the PDF
    "font.family": "DejaVu Sans",
    "text.parse_math": False,  # a dollar sign in a name is text, not mathematics
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.grid": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "figure.dpi": 100,
    "savefig.dpi": 160,
}
# None leaves out what would change: matplotlib writes the current time into SVG and PDF files, and its version into PNG files.
METADATA: dict[str, dict[str, str | None]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
    "png": {"Software": None},
}


@contextmanager
def house_style() -> Iterator[None]:
    """Use matplotlib's defaults with `SETTINGS` inside the block, regardless of the user's configuration."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        yield


@dataclass(frozen=True)
class Look:
    """The colour, line style and marker of one group. Groups can thus be told apart without colour too."""

    color: tuple[float, float, float]
    dashes: object
    marker: str


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Return a look for each name. After ten names, the colour-blind safe colours repeat with other lines and markers."""
    palette = sns.color_palette("colorblind", 10)
    return {
        name: Look(palette[i % 10], DASHES[(i + i // 10) % len(DASHES)], MARKERS[i % len(MARKERS)])
        for i, name in enumerate(names)
    }


def new_figure(
    rows: int = 1, columns: int = 1, *, height: float = 3.0, width: float = COLUMN_WIDTH, **keywords: Any
) -> tuple[Figure, list[Axes]]:
    """Create a figure with `rows` times `columns` axes, and return it with the list of its axes, row by row.

    Args:
        rows: The number of rows.
        columns: The number of columns.
        height: The height of the whole figure in inches.
        width: The width of the whole figure in inches.
        **keywords: Passed on to `Figure.subplots`.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **keywords)
    return figure, list(axes.ravel())


def log_scale(axes: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with plain numbers as tick labels.

    Ticks are at powers of ten. If the axis spans less than two decades, they are also at 2 and 5 times these.
    """
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = sorted(axis.get_view_interval())
    narrow = low > 0 and high / low < 100
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if narrow else (1.0,), numticks=8))
    # The default formatter writes TeX, which SETTINGS switches off, so the labels would show its source.
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def legend(figure: Figure, axes: Axes, entries: int) -> None:
    """Put the legend of `axes` below the figure, in as many columns as fit. With only one entry, there is no legend."""
    handles, labels = axes.get_legend_handles_labels()
    if entries > 1 and handles:
        longest = max(len(label) for label in labels)
        columns = max(1, min(entries, int(95 / (longest + 6))))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=3.0)


def save(figure: Figure, data: pd.DataFrame, folder: Path, name: str) -> None:
    """Write a figure as SVG, PDF and PNG, and the frame that it shows as CSV, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")  # compute the layout once, not once per file
    for kind, metadata in METADATA.items():
        figure.savefig(folder / f"{name}.{kind}", metadata=metadata)
    data.to_csv(folder / f"{name}.csv", index=False)
