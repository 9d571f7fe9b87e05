"""Kills a command at random moments of every phase. The same command, run again, must then complete everything.

A signal is sent once or twice, to one process or to its group. Kills come in chains: the same command is started and killed
several times in one folder, in earlier phases first. Then the command runs undisturbed, and the folder is compared with a
folder in which no command was ever killed.
"""

import random
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import ClassVar

from torture.case import Common, Outcome, Task, traceback_in
from torture.phases import Watch, measure
from torture.program import Ended, Started, end_all, left_over
from torture.truth import Truth, wrong_in

PER_CHAIN = 9
CHAINS = ["one process", "two processes", "one process", "two processes", "single run", "report"] * 6
END_S, TWICE_END_S = 2.0, 1.0
SETTLE_S = 0.5  # the longest wait for a handler of SIGTERM; a program that has none by then is killed all the same
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}
SWEEP = [
    "-m", "feedback=symmetric,random", "model.hidden=[3],[5]", "seed=range(5)", "train.steps=15001", "train.eval_every=1500",
    "train.hold=2",
]  # fmt: skip
COMMANDS = {
    "one process": [*SWEEP, "n_jobs=1", "report=false"],
    "two processes": [*SWEEP, "n_jobs=2", "report=false"],
    "report": [*SWEEP, "n_jobs=2"],
    "single run": ["seed=3", "train.steps=15001", "train.eval_every=1500", "train.hold=2"],
}
WORDS = ("interrupt", "terminat", "stopped", "killed", "signal")


@dataclass(frozen=True)
class Kill:
    """One kill.

    Attributes:
        phase: the phase in which the command is killed (see `torture.phases.PHASES`).
        share: the share of the phase's usual length that passes before the signal is sent.
        number: the signal.
        twice: whether the signal is sent a second time.
        group: whether the whole process group gets the signal, as after Ctrl-C in a terminal.
        gap_s: the seconds between the two signals.
    """

    phase: str
    share: float
    number: signal.Signals
    twice: bool
    group: bool
    gap_s: float

    def __str__(self) -> str:
        times, whom = "twice" if self.twice else "once", "group" if self.group else "process"
        return f"{self.number.name} {times} to the {whom}, {self.share:.0%} through {self.phase}"


HELD = {
    "SIGINT": "status 130 and one line, within two seconds, no process left",
    "SIGTERM": "status 143 and one line, within two seconds, no process left",
    "SIGKILL": "no process left after two seconds",
    "same command again": "every run once in ledger and store, the undisturbed bits, nothing RUNNING, no *.tmp, all tracked",
}


@dataclass
class Kills(Common):
    """Chains of kills in all phases of a single run, and of a sweep with one or two processes.

    Each chain begins in an empty folder. The first use of the program in a folder is therefore killed too.
    """

    name = "kills"
    folder: Path = field(default_factory=Path)
    lock: Lock = field(default_factory=Lock)
    timelines: dict[str, Mapping[str, float]] = field(default_factory=dict)
    truths: dict[str, Truth] = field(default_factory=dict)
    held: ClassVar[Mapping[str, str]] = HELD

    def prepare(self, folder: Path) -> None:
        """Note the folder for the undisturbed commands. The first chain that needs a command runs it there."""
        self.folder = folder

    def _timeline(self, name: str) -> Mapping[str, float]:
        """Return the phases of a command. The first time, run it undisturbed, and keep its results to compare others with."""
        with self.lock:
            if name not in self.timelines:
                cwd = new_folder(self.folder / "undisturbed" / name.replace(" ", "-"))
                timeline = measure(self.program, COMMANDS[name], cwd)
                self.truths[name], self.timelines[name] = Truth.of(cwd), timeline
            return self.timelines[name]

    def tasks(self) -> Sequence[Task]:
        """Return one task per chain.

        Five of six chains kill a sweep. Three of these five use two processes, and one of those three writes a report.
        """
        return [self.task(n, partial(self._chain, number=n, name=name)) for n, name in enumerate(CHAINS)]

    def _chain(self, folder: Path, number: int, name: str) -> list[Outcome]:
        late = ("import", "report", "ending")
        phases = [phase for phase in self._timeline(name) if name != "report" or phase in late]
        outcomes, since, cwd = [], 0, new_folder(folder)
        for kill in kills_of(self.random(number), phases, PER_CHAIN):
            found = self._kill(kill, cwd, name)
            if isinstance(found, Ended):  # earlier commands had done the work of this phase, so the command ran undisturbed
                outcomes.append(self._completed(found, cwd, name, since))
                since, cwd = 0, new_folder(folder)  # where the command passes every phase
                found = self._kill(kill, cwd, name)
            if isinstance(found, Outcome):
                outcomes.append(found)
                since += 1
        return [*outcomes, self._completed(self.program.run(COMMANDS[name], cwd), cwd, name, since)]

    def _completed(self, last: Ended, cwd: Path, name: str, kills: int) -> Outcome:
        """Compare the folder in which a command has run undisturbed with one in which no command was killed."""
        failed = "" if last.status == 0 else f"status {last.status}: {last.err.strip()[-200:]}"
        problems = [wrong for wrong in (failed, traceback_in(last.said)) if wrong] or wrong_in(cwd, self.truths[name])
        return Outcome("same command again", f"{name}, after {kills} kills", "; ".join(problems))

    def _kill(self, kill: Kill, cwd: Path, name: str) -> Outcome | Ended:
        """Start the command and kill it. Return the command if it ended before the signal."""
        timeline = self._timeline(name)
        started = self.program.start(COMMANDS[name], cwd)
        watch = Watch(cwd, started, timeline["imports"])
        watch.wait_for("imports", SETTLE_S)
        if kill.phase != "imports" and not watch.wait_for(kill.phase, 60):
            return started.wait(60)
        time.sleep(kill.share * timeline[kill.phase])
        if not started.send(kill.number, group=kill.group):
            return started.wait(60)
        if kill.twice:
            time.sleep(kill.gap_s)
            started.send(kill.number, group=kill.group)
        problems = after(kill, started)
        end_all(started.marker)
        return Outcome(kill.number.name, f"{kill}, {name}", "; ".join(problems))


def new_folder(folder: Path) -> Path:
    """Make a new working folder inside a folder, which is made too if it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    cwd = folder / f"{len(list(folder.iterdir()))}" / "work"
    cwd.mkdir(parents=True)
    return cwd


def kills_of(chance: random.Random, phases: Sequence[str], count: int) -> list[Kill]:
    """Draw the kills of one chain, sorted by phase.

    When the command is killed in a later phase, the folder already holds what earlier kills left, such as trained runs or a
    database.

    Args:
        chance: the chain's random generator.
        phases: the phases to choose from, in the order in which a command passes them.
        count: how many kills to draw.
    """
    kills = []
    for _ in range(count):
        number = chance.choice(SIGNALS)
        group = chance.random() < (0.5 if number is signal.SIGINT else 0.25)
        kills.append(
            Kill(chance.choice(phases), 0.9 * chance.random(), number, chance.random() < 0.35, group, chance.random() * 0.2)
        )
    return sorted(kills, key=lambda kill: phases.index(kill.phase))


def after(kill: Kill, started: Started) -> list[str]:
    """Wait for a command to end after its signals were sent, and return what is wrong.

    It may have ended late, left processes behind, or ended with a wrong status or wrong messages.
    """
    sent, delayed_s = time.monotonic(), started.delayed_s
    ended = started.wait(10)
    took = time.monotonic() - sent - (started.delayed_s - delayed_s)
    problems = []
    limit = TWICE_END_S if kill.twice else END_S
    if ended.status is None:
        return [f"still there after 10 s; said: {ended.err.strip()[-150:]!r}"]
    if took > limit:
        problems.append(f"ended after {took:.1f} s, not within {limit:.0f}")
    while (orphans := left_over(started.marker)) and time.monotonic() - sent < END_S:
        time.sleep(0.01)
    if orphans:
        problems.append(f"{len(orphans)} processes are left after {END_S:.0f} s")
    return problems + wrong_words(kill, ended)


def wrong_words(kill: Kill, ended: Ended) -> list[str]:
    """Return what is wrong with the exit status and the messages of a killed command.

    Status 0 is accepted if the command had already printed its last lines.
    """
    problems = [found] if (found := traceback_in(ended.said)) else []
    if ended.status == 0 and kill.phase in ("import", "report", "ending") and "Look further" in ended.out:
        return problems
    if ended.status != STATUS[kill.number]:
        problems.append(f"status {ended.status}, not {STATUS[kill.number]}")
    lines = ended.lines(*WORDS)
    if kill.number is not signal.SIGKILL and not problems and not 1 <= len(lines) <= (2 if kill.twice else 1):
        problems.append(f"{len(lines)} lines about the signal: {ended.err.strip()[-200:]!r}")
    return problems
