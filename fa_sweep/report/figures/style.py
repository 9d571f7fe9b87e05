"""Define how figures look: sizes, fonts and legends. Save them reproducibly, byte for byte."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import ScaledTranslation

from fa_sweep.report.figures.colours import GRID, INK, QUIET

COLUMN_WIDTH = 7.0  # inches: the width of a report's column, and of a paper's page

SETTINGS: Any = {  # Any, because matplotlib's type for the keys is a literal of all its settings
    "svg.hashsalt": "fa_sweep",  # without it, ids in the SVG are random
    "svg.fonttype": "path",
    "text.hinting": "none",  # hinted letters are narrower in the layout than on the page, and long texts would be clipped
    "pdf.fonttype": 42,  # journals refuse Type 3 fonts
    "font.family": "DejaVu Sans",
    "text.parse_math": False,  # a dollar sign in a name is text, not mathematics
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.grid": True,
    "text.color": INK,  # not black: matplotlib writes no colour for black, and dark pages could not replace it
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
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


class Picture(Figure):
    """A figure that notebooks show as a picture, although it is none of pyplot's."""

    def _repr_png_(self) -> bytes:
        with io.BytesIO() as file:
            self.savefig(file, format="png")
            return file.getvalue()


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
    figure = Picture(figsize=(width, height), layout="constrained")
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
        figure_legend(figure, handles, labels)


def figure_legend(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Put a legend below the figure, in as many columns as fit, and no more than the labels need."""
    figure.legend(handles, labels, loc="outside lower center", ncols=_columns(labels, 95), handlelength=3.0)


def axes_legend(figure: Figure, axes: Axes, width: int) -> None:
    """Put the legend of `axes` below its horizontal axis, for axes that are about `width` characters wide."""
    handles, labels = axes.get_legend_handles_labels()
    # 0.45 inches are room for the numbers and the label of the axis.
    below = axes.transAxes + ScaledTranslation(0.0, -0.45, figure.dpi_scale_trans)
    axes.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(0.0, 0.0), bbox_transform=below, borderaxespad=0.0, fontsize=7,
        ncols=_columns(labels, width), handlelength=3.0,
    )  # fmt: skip


def _columns(labels: Sequence[str], width: int) -> int:
    longest = max(len(line) for label in labels for line in label.split("\n"))
    return max(1, min(len(labels), width // (longest + 8)))


def row_figure(labels: Sequence[str], texts: Sequence[str] = (), *, least: float = 0.28) -> tuple[Figure, Axes]:
    """Create a figure with one row per label, from top to bottom at 0, 1, 2, ..., and `texts` beside the rows on the right.

    Args:
        labels: The names of the rows. They may have several lines.
        texts: What to write on the right.
        least: The least height of a row in inches. Labels with many lines make all rows higher.
    """
    lines = max(label.count("\n") + 1 for label in labels)
    figure, (axes,) = new_figure(height=1.0 + max(least, 0.145 * lines + 0.06) * len(labels))
    axes.set_yticks(range(len(labels)), labels=list(labels), fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    for row, text in enumerate(texts):
        axes.text(1.015, row, text, fontsize=7.5, va="center", transform=axes.get_yaxis_transform())
    return figure, axes


def mark(axes: Axes, at: float, which: Literal["x", "y"] = "x") -> None:
    """Draw a dashed line across the axes at a value to compare with, such as no difference."""
    (axes.axvline if which == "x" else axes.axhline)(at, color=QUIET, lw=0.9, linestyle=(0, (2, 2)))


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
