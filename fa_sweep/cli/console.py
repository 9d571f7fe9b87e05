"""Output for the terminal: the progress bar, a sweep's summary table, and the evaluations of a single run."""

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from textwrap import wrap

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from fa_sweep.cli.current import current
from fa_sweep.settings.schema import RunConfig
from fa_sweep.sweeping.division import Shard
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.ledger import finished, run_events
from fa_sweep.sweeping.outcomes import Events, Outcome, median_time, wilson_interval
from fa_sweep.sweeping.shards import Record
from fa_sweep.sweeping.symptoms import advice
from fa_sweep.tasks import METRICS

# FORCE_COLOR, COLUMNS and similar variables are ignored, because somebody may have set them for another program or for a pipe.
# Only the system decides whether there is a terminal, and how wide it is.
_TERMINAL = {name: os.environ[name] for name in ("TERM", "COLORTERM", "NO_COLOR") if name in os.environ}
console = Console(highlight=False, _environ=_TERMINAL)
errors = Console(stderr=True, highlight=False, _environ=_TERMINAL)


def say(text: str, *, error: bool = False) -> None:
    """Print plain text, to the standard error if `error`. Lines are not wrapped, so that commands and paths can be copied.

    A quiet command prints only what goes to the standard error.
    """
    if error or not current().quiet:
        (errors if error else console).print(text, markup=False, soft_wrap=True)


def status(text: str) -> AbstractContextManager[object]:
    """Show that something is being done, as long as the block runs. A quiet command shows nothing."""
    return nullcontext() if current().quiet else console.status(text)


@dataclass
class Bar:
    """A progress bar that counts runs: a stack of R runs that is one third done counts as R / 3 runs.

    `sizes` maps a shard's number to the number of its runs, and `done` to how many of them are done. `show` is called with the
    number of runs that are done.
    """

    sizes: dict[int, int]
    show: Callable[[int], object]
    done: dict[int, float] = field(default_factory=dict)

    def progress(self, shard: int, fraction: float) -> None:
        """Show that the given fraction (0 to 1) of shard number `shard` is done."""
        self.done[shard] = fraction * self.sizes[shard]
        self.show(int(sum(self.done.values())))

    def finished(self, shard: Shard) -> None:
        """Show that a whole shard is done."""
        self.progress(shard.number, 1.0)


@contextmanager
def progress_bar(shards: Sequence[Shard]) -> Iterator[Bar]:
    """Show a progress bar with an estimate of the time left, as long as the block runs."""
    sizes = {shard.number: len(shard.jobs) for shard in shards}
    if console.is_jupyter:
        yield Bar(sizes, _notebook_bar(sum(sizes.values())))
        return
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("runs"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, refresh_per_second=5) as bar:
        task = bar.add_task("training", total=sum(sizes.values()))
        yield Bar(sizes, lambda done: bar.update(task, completed=done))


def _notebook_bar(total: int) -> Callable[[int], object]:
    """Show a progress bar below a notebook's cell. Returns a function that shows how many runs of `total` are done."""
    from IPython.display import HTML, display  # notebooks have it

    started, last = time.monotonic(), [0.0]
    text = '<progress max="{total}" value="{done}"></progress> {done} of {total} runs, {seconds:.0f} s'
    handle = display(HTML(text.format(total=total, done=0, seconds=0)), display_id=True)

    def show(done: int) -> None:
        now = time.monotonic()
        if done == total or now - last[0] > _NOTEBOOK_S:
            last[0] = now
            handle.update(HTML(text.format(total=total, done=done, seconds=now - started)))

    return show


WIDTH = 80
_NOTEBOOK_S = 0.2  # the shortest time between two updates of a notebook's progress bar
ANYTIME = "Intervals: valid although the results decided when to stop."
COLUMNS = ("n", "reached", "at end", "converged (95 % CI)", "median steps", "angle")


def summary(jobs: Sequence[Job], records: Mapping[str, Record], *, anytime: bool = False) -> str:
    """Return the summary table of a sweep, with one row per group and a caption.

    A group's name that does not fit into its column stands on a separate line, above the group's row.

    Args:
        jobs: All jobs of the sweep.
        records: The finished runs by run id. Column n counts them.
        anytime: Whether the results decided how many seeds there are. The intervals then hold at every number of seeds.
    """
    groups: dict[str, list[tuple[Events, float]]] = {job.group: [] for job in jobs}
    for job, record in finished(jobs, records):
        angles = record.metrics.get("angle_deg/gradient")
        groups[job.group].append((run_events(job, record), math.nan if angles is None else float(angles[-1])))
    rows = {name: _cells(members, anytime=anytime) for name, members in groups.items()}
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows.values(), strict=True)]
    room = WIDTH - sum(widths) - 2 * len(widths)
    first = min(room, max(len("group"), *map(len, groups)))

    def line(name: str, cells: Sequence[str]) -> str:
        numbers = "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        return f"{name.ljust(first)}  {numbers}" if len(name) <= first else f"{name}\n{' ' * first}  {numbers}"

    return "\n".join(
        [
            line("group", COLUMNS),
            *(line(name, cells) for name, cells in rows.items()),
            *wrap(_caption(jobs) + (f" {ANYTIME}" if anytime else ""), WIDTH),
            *(part for text in advice(jobs, records) for part in wrap(f"Not learned: {text}", WIDTH)),
        ]
    )


def _anytime_interval(count: int, n: int) -> tuple[float, float]:
    from fa_sweep.decisions.sequences import fraction_interval  # imports SciPy, which most sweeps need only for their report

    return fraction_interval(count, n)


def _cells(members: list[tuple[Events, float]], *, anytime: bool) -> list[str]:
    """Return a group's row. `members` holds the events and the final angle in degrees of each run."""
    n = len(members)
    if n == 0:
        return ["0", "-", "-", "-", "-", "-"]
    found = [e for e, _ in members]
    converged = sum(e.outcome == Outcome.CONVERGED for e in found)
    low, high = _anytime_interval(converged, n) if anytime else wilson_interval(converged, n)
    median = median_time(np.array([e.convergence_step for e in found]))
    defined = [angle for _, angle in members if not math.isnan(angle)]
    return [
        str(n),
        f"{sum(not math.isnan(e.first_reach_step) for e in found)}/{n}",
        f"{sum(e.at_end for e in found)}/{n}",
        f"{converged}/{n} ({100 * low:.0f}-{100 * high:.0f} %)",
        "not reached" if math.isinf(median) else f"{median:.0f}",
        f"{np.median(defined):.1f}°" if defined else "undefined",
    ]


def criterion(run: RunConfig) -> str:
    """Return the criterion of success of a run, such as "accuracy >= 0.95"."""
    success = run.task.success
    return f"{success.metric} {'>=' if success.direction == 'at_least' else '<='} {run.train.threshold:g}"


def _caption(jobs: Sequence[Job]) -> str:
    criteria: dict[str, None] = {}  # several if the sweep compares tasks
    for job in jobs:
        criteria[f"{criterion(job.run)}, held for {job.run.train.hold} evaluations"] = None
    return (
        f"Success: {'; or '.join(criteria)}. Converged: all evaluations from some point to the end succeeded, at least that "
        "many. Median steps: to convergence, over all runs. Angle: between update and gradient of the hidden layers at the "
        "end, median over runs."
    )


_SHOWN = {  # metric: title, format
    "accuracy_sampled": ("sampled", ".3f"),
    "accuracy": ("accuracy", ".3f"),
    "normalised_squared_error": ("norm. err", ".4g"),
    "centred_squared_error": ("centred err", ".4g"),
    "loss": ("loss", ".4g"),
}


def evaluation_header(job: Job) -> str:
    """Return the line of column titles to print above the evaluations of one run."""
    titles = [title for name, (title, _) in _SHOWN.items() if name in (*METRICS[job.targets], "loss")]
    return f"{'step':>7}  {'  '.join(f'{title:>11}' for title in titles)}  {'angle':>8}"


def evaluation_line(step: int, metrics: Mapping[str, float]) -> str:
    """Return one evaluation of a run as one line, with undefined values (NaN) as "-"."""
    values = [(float(metrics[name]), form) for name, (_, form) in _SHOWN.items() if name in metrics]
    cells = "  ".join(f"{'-' if math.isnan(value) else format(value, form):>11}" for value, form in values)
    angle = float(metrics.get("angle_deg/gradient", math.nan))
    return f"{step:>7}  {cells}  {'-' if math.isnan(angle) else f'{angle:.2f}°':>8}"


def outcome_line(job: Job, record: Record) -> str:
    """Return one line that says whether and when a run converged, diverged and first reached success."""
    e = run_events(job, record)
    reached = "never" if math.isnan(e.first_reach_step) else f"at step {e.first_reach_step:.0f}"
    if e.outcome == Outcome.CONVERGED:
        end = f"converged at step {e.convergence_step:.0f}"
    elif e.outcome == Outcome.DIVERGED:
        end = f"diverged at step {e.diverged_at_step:.0f}"
    else:
        end = f"did not converge (success at the end: {'yes' if e.at_end else 'no'})"
    return f"{job.name}: {end}; first reached success: {reached}"
