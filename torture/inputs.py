"""Bad input that a command must refuse, and large sweeps that it must plan quickly.

To refuse, a command must end with status 2 within two seconds, print one line and write nothing. A plan must stay within
30 seconds and 1 GiB of memory.
"""

import resource
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from torture.case import Common, Outcome, Task, traceback_in
from torture.program import Ended
from torture.refusals import Refusal, refusals

PER_TASK = 12
LIMIT_S, HANGS_S = 2.0, 10.0
PLAN_S, PLAN_BYTES = 30.0, 2**30
KINDS = ("override", "sweep", "value", "flag", "tracking", "analysis", "config", "data")
PLANNED = (
    ["-m", "seed=range(1000000)", "dry_run=true"],
    ["-m", "feedback=symmetric,random", "seed=range(400000)", "dry_run=true"],
    ["train.steps=1000000000", "train.eval_every=500000000", "train.hold=1", "dry_run=true"],
    ["-m", "train.steps=1000000000", "train.eval_every=500000000", "train.hold=1", "seed=range(10)", "dry_run=true"],
)
HELD = dict.fromkeys(KINDS, "status 2, one line, under two seconds, no traceback, nothing written")
HELD |= {"large plan": "planned in 30 s and 1 GB"}


@dataclass
class Inputs(Common):
    """Runs every command in torture/refusals.py, all of which the program must refuse, and lets it plan a few large sweeps."""

    name = "inputs"
    held: ClassVar[Mapping[str, str]] = HELD

    def prepare(self, folder: Path) -> None:
        """Do nothing: the tasks share nothing."""

    def tasks(self) -> Sequence[Task]:
        """Return one task per dozen commands to refuse, and one task per large plan."""
        cases = refusals()
        self.random("order").shuffle(cases)
        groups = [cases[start : start + PER_TASK] for start in range(0, len(cases), PER_TASK)]
        work = [partial(self._refusals, number=number, cases=group) for number, group in enumerate(groups)]
        plans = [partial(self._plan, arguments=arguments) for arguments in PLANNED]
        return [self.task(number, run) for number, run in enumerate([*work[:10], *plans, *work[10:]])]

    def _refusals(self, folder: Path, number: int, cases: Sequence[Refusal]) -> list[Outcome]:
        return [self._refusal(folder / str(place), case, place % 4 == number % 4) for place, case in enumerate(cases)]

    def _refusal(self, folder: Path, case: Refusal, truly: bool) -> Outcome:
        """Run one command that must be refused. If it is merely slow, try up to twice more, as the machine may be busy."""
        run = self.program.run if truly else self.program.quick
        problems: list[str] = []
        for attempt in range(3):
            cwd = folder / str(attempt) / "work"
            made = _make(cwd, case)
            ended = run(case.arguments, cwd, case.environment, case.module, HANGS_S)
            problems = wrong(ended)
            with suppress(OSError):
                if new := sorted(str(path.relative_to(cwd)) for path in cwd.rglob("*") if path not in made):
                    problems.append(f"wrote {', '.join(new[:3])}")
            if ended.status is not None and problems != [_slow(ended)]:
                break
        return Outcome(case.kind, str(case), "; ".join(problems))

    def _plan(self, folder: Path, arguments: Sequence[str]) -> list[Outcome]:
        """Let a command plan a large sweep, and check its time and memory."""
        cwd = folder / "work"
        cwd.mkdir(parents=True)
        started, most = self.program.start(arguments, cwd), 0
        while not started.ended() and time.monotonic() - started.since < 2 * PLAN_S:
            most = max(most, resident_bytes(started.process.pid))
            time.sleep(0.05)
        ended = started.wait(0.1)
        problems = [found] if (found := traceback_in(ended.said)) else []
        if ended.status != 0:
            problems.append(f"status {ended.status} after {ended.seconds:.0f} s: {ended.err.strip()[-150:]}")
        elif ended.seconds > PLAN_S:
            problems.append(f"took {ended.seconds:.0f} s")
        if most > PLAN_BYTES:
            problems.append(f"took {most / 2**20:.0f} MiB")
        if list(cwd.iterdir()):
            problems.append("wrote something")
        return [Outcome("large plan", " ".join(arguments), "; ".join(problems))]


def _make(cwd: Path, case: Refusal) -> set[Path]:
    """Make a folder with the files of a case, and return every path in it."""
    cwd.mkdir(parents=True)
    for name, content in case.files.items():
        path = cwd / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content) if isinstance(content, bytes) else content(path)
    return set(cwd.rglob("*"))


def wrong(ended: Ended) -> list[str]:
    """Return what is wrong with a refusal. Empty if it had status 2, printed one clean line and was quick enough."""
    if ended.status is None:
        return [f"hangs: ended after {ended.seconds:.0f} s"]
    if found := traceback_in(ended.said):
        return [found]
    if ended.status != 2:
        return [f"status {ended.status}: {' '.join(ended.said.split())[-120:]!r}"]
    problems = []
    if len(ended.lines()) != 1:
        problems.append(f"{len(ended.lines())} lines: {ended.err.strip()[:160]!r}")
    elif not ended.err.isprintable() and not ended.err.rstrip("\n").isprintable():
        problems.append(f"control characters in {ended.err[:120]!r}")
    if ended.seconds > LIMIT_S:
        problems.append(_slow(ended))
    return problems


def _slow(ended: Ended) -> str:
    return f"took {ended.seconds:.1f} s"


def resident_bytes(pid: int) -> int:
    """Return a process's resident memory in bytes; 0 if the process has ended."""
    with suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    return 0
