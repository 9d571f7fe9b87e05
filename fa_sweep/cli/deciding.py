"""Conduct a sweep that adds seeds until a rule allows it to stop (`design=decide`)."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from textwrap import wrap
from typing import Any

from fa_sweep.cli import console
from fa_sweep.cli.application import close_sweep
from fa_sweep.cli.conductor import Conductor
from fa_sweep.cli.designs import Grid
from fa_sweep.cli.planning import prepare, show_plan, to_train
from fa_sweep.decisions.course import Course
from fa_sweep.decisions.forecast import seeds_left
from fa_sweep.decisions.looks import Compared, Estimated, Look
from fa_sweep.decisions.rules import FINAL
from fa_sweep.errors import ConfigError
from fa_sweep.settings.designs import DECIDE
from fa_sweep.sweeping.folder import Sweep
from fa_sweep.sweeping.jobs import Job


def decide(conductor: Conductor, grids: Sequence[Grid]) -> list[Any]:
    """Train a sweep round by round, and stop when the rule allows it or all seeds have been used.

    Args:
        conductor: The steps of the command.
        grids: The grids of the sweep, with all seeds that it may take.

    Returns:
        Hydra's JobReturn of each job that was trained.

    Raises:
        ConfigError: The rule does not fit the sweep, or the sweep cannot be run as asked.
        CannotWrite: The sweep's folder cannot be written.
        RunsFailed: Runs failed or are missing, or the report or MLflow's database could not be written.
    """
    candidates = conductor.candidates(grids)
    app = conductor.app
    jobs, plan = prepare(candidates, app, conductor.executor)
    course = Course.of(jobs, app.decide)
    for name in ("outcomes", "margin"):
        if getattr(app, name):
            given = f"{name} is {getattr(app, name)}"
            raise ConfigError(f"{given}; a sweep that adds seeds has decide.outcome and decide.margin instead: leave it out")
    until = f"Seeds are added, {course.round} at a time and at most {len(course.seeds):,}, until {course.rule.words()}."
    for line in wrap(f"{until} {course.rule.family(len(course.groups), len(course.comparisons))}", console.WIDTH):
        console.say(line)
    if app.dry_run:
        show_plan(jobs, plan, app)
        return []
    sizes = course.sizes()
    design = {"kind": DECIDE, **asdict(app.decide), "most": len(course.seeds)}
    with closing(conductor.open(course.jobs(jobs, sizes[0]), app, design)) as opened:
        returns = _rounds(conductor, grids, course, opened, jobs)
        close_sweep(opened, app)
    return returns


def _rounds(conductor: Conductor, grids: Sequence[Grid], course: Course, opened: Sweep, jobs: Sequence[Job]) -> list[Any]:
    returns, before, seen = list[Any](), None, 0
    for size in course.sizes():
        so_far = course.jobs(jobs, size)
        if seen:
            opened.extend(so_far, opened.record.design)
        earlier = set(course.seeds[:seen])
        new = [job for job in so_far if job.run.seed not in earlier]
        returns += conductor.train(opened, to_train(new), grids)
        records = opened.records(quiet=True)
        if any(job.run_id not in records for job in so_far):
            console.say("fa_sweep: runs are missing, so nothing can be decided; no further seeds are added", error=True)
            break
        look = course.look(so_far, records, before)
        _show(look, course, seeds_left(course.rule, course.data(so_far, records), course.comparisons, look))
        before, seen = look, size
        if look.stop:
            break
    return returns


def _show(look: Look, course: Course, left: int | None) -> None:
    """Print what is known after a round of seeds."""
    for line in look_lines(look, course, left):
        console.say(line)


def look_lines(look: Look, course: Course, left: int | None) -> list[str]:
    """Return what is known at a look as lines of at most 80 characters, apart from long names of groups.

    Args:
        look: The look.
        course: The course of the sweep.
        left: An estimate of the number of seeds that are still needed; None if it is unknown.
    """
    title = f"after {look.n:,} of at most {len(course.seeds):,} seeds ({course.outcome})"
    rows = [(one.group, _estimate(one)) for one in look.groups]
    rows += [(f"{one.group} against {one.reference}", _comparison(one, course)) for one in look.comparisons]
    width = min(38, max(len(name) for name, _ in rows))
    lines = [title]
    for name, text in rows:
        lines += [f"  {name.ljust(width)}  {text}"] if len(name) <= width else [f"  {name}", f"  {' ' * width}  {text}"]
    return [*lines, f"  {_what_next(look, course, left)}"]


def _estimate(one: Estimated) -> str:
    if one.low != one.low:  # final values have no interval
        return f"median {one.estimate:.4g}"
    return f"{one.estimate:.3f} ({one.low:.3f} to {one.high:.3f})" + (f"  {one.verdict}" if one.verdict else "")


def _comparison(one: Compared, course: Course) -> str:
    sign = "" if course.rule.outcome == FINAL else "+"
    won = f"higher in {one.wins}, lower in {one.losses}: " if course.rule.outcome == FINAL else ""
    text = f"{won}{one.estimate:{sign}.3f} ({one.low:{sign}.3f} to {one.high:{sign}.3f})"
    return text + (f"  {one.verdict}" if one.verdict else "")


def _what_next(look: Look, course: Course, left: int | None) -> str:
    if look.stop:
        return f"decided after {look.n:,} seeds"
    if look.n == len(course.seeds):
        more = "" if left is None else f"; about {left:,} more might decide it"
        return f"not decided after {look.n:,} seeds, the most that were allowed{more}"
    if left is None or look.n + left > len(course.seeds):
        return f"not decided yet; {len(course.seeds):,} seeds may not be enough"
    return f"not decided yet; about {left:,} more {'seed' if left == 1 else 'seeds'}, if the runs go on like this"
