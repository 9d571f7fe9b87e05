"""Draws the pictures of the documentation: `python -m docs.pictures`.

Two are drawn here. The others are figures of the reports of three sweeps, which this command trains.
"""

import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from fa_sweep import compose, train

HERE = Path(__file__).parent
FORWARD, BACKWARD, INK = "#444444", "#c1440e", "#222222"
LAYERS = ("$x$", "$h_1$", "$h_2$", r"$\hat{y}$")
# Each way of sending the error back: its title, and for each hidden layer the layer that the error comes from and the matrix.
WAYS = (
    ("Backpropagation", (("$W_2^T$", 2), ("$W_3^T$", 3))),
    ("Feedback alignment", (("$B_2$", 2), ("$B_3$", 3))),
    ("Direct feedback alignment", (("$B_1$", 3), ("$B_2$", 3))),
)
# Runs of random feedback on XOR, by seed, and what became of them.
STORIES = {
    3: "converged",
    0: "right at the end, but not for five in a row",
    1: "reached 100 %, then lost it",
    10: "never reached 100 %",
}
# The sweeps of the README and the tutorial, and the figures of their reports that the pages show.
SWEEPS = {
    "readme": ("feedback=symmetric,random,rerandom 'seed=range(50)'", ("survival",)),
    "xor": ("feedback=symmetric,random,rerandom,shallow 'seed=range(50)'", ("survival", "outcomes", "angle_gradient")),
    "digits": (
        "task=digits train=batch 'model.hidden=[100]' model.activation=tanh init=xavier feedback=symmetric,random,shallow "
        "train.epochs=15 train.hold=3 'seed=range(10)'",
        ("learning_curves", "angle_gradient"),
    ),
}


def draw_ways(path: Path) -> None:
    """Draw how the error travels back in three learning rules."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 2.6))
    for panel, (title, sources) in zip(axes, WAYS, strict=True):
        panel.set_title(title, color=INK, fontsize=12)
        panel.set(xlim=(-0.5, 3.5), ylim=(-1.1, 0.75))
        panel.axis("off")
        for place, name in enumerate(LAYERS):
            panel.text(place, 0, name, ha="center", va="center", fontsize=14, color=INK,
                       bbox={"boxstyle": "round,pad=0.35", "facecolor": "#eef1f6", "edgecolor": FORWARD})  # fmt: skip
            if place:
                _arrow(panel, (place - 0.72, 0.05), (place - 0.28, 0.05), FORWARD)
                panel.text(place - 0.5, 0.28, f"$W_{place}$", ha="center", fontsize=12, color=FORWARD)
        for layer, (matrix, source) in enumerate(sources, start=1):
            _arrow(panel, (source - 0.05, -0.28), (layer + 0.05, -0.28), BACKWARD, "arc3,rad=-0.5")
            height = -0.32 if source - layer == 1 else -0.92  # inside a short arc, below a long one
            panel.text((source + layer) / 2, height, matrix, ha="center", va="center", fontsize=12, color=BACKWARD)
        panel.text(3.0, 0.48, "error $e$", ha="center", fontsize=11, color=BACKWARD)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def _arrow(panel: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, bend: str = "arc3") -> None:
    style = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.6, "connectionstyle": bend, "shrinkA": 0, "shrinkB": 0}
    panel.annotate("", xy=end, xytext=start, arrowprops=style)


def draw_stories(path: Path) -> None:
    """Draw the accuracy of single runs, which shows why "it reached 100 %" says little."""
    histories = train([compose("feedback=random", f"seed={seed}") for seed in STORIES])
    figure, axes = plt.subplots(len(STORIES), 1, figsize=(8, 5.2), sharex=True)
    for panel, (seed, story), accuracy in zip(axes, STORIES.items(), histories.metrics["accuracy"].T, strict=True):
        panel.step(histories.steps, accuracy, where="post", color="#2b6cb0", linewidth=1.5)
        panel.axhline(1, color=FORWARD, linestyle=":", linewidth=1)
        panel.set(ylim=(-0.05, 1.1), yticks=[0, 0.5, 1], ylabel="accuracy")
        panel.set_title(f"seed {seed}: {story}", loc="left", fontsize=10, color=INK)
        panel.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("step")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def copy_figures(name: str, words: str, figures: tuple[str, ...]) -> None:
    """Train a sweep, and copy figures of its report."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "fa_sweep", "-m", *shlex.split(words)], cwd=folder, check=True)
        (report,) = Path(folder, "outputs/reports").iterdir()
        for figure in figures:
            shutil.copy(report / "figures" / f"{figure}.png", HERE / f"{name}-{figure.replace('_', '-')}.png")


def main() -> None:
    """Draw all pictures."""
    plt.rcParams.update({"svg.hashsalt": "fa_sweep", "svg.fonttype": "path"})
    draw_ways(HERE / "ways.svg")
    draw_stories(HERE / "stories.svg")
    for name, (words, figures) in SWEEPS.items():
        copy_figures(name, words, figures)


if __name__ == "__main__":
    main()
