"""What an attack is made of: parts, tasks and outcomes."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from torture.program import Program

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """What became of one case. `kind` is the row of the table that counts it; `problem` is empty where the program held."""

    kind: str
    case: str
    problem: str = ""


@dataclass(frozen=True)
class Task:
    """A piece of work for one core, in a new folder; it may hold many cases. `name` is PART/NUMBER."""

    name: str
    run: Callable[[Path], list[Outcome]]


class Part(Protocol):
    """One kind of attack."""

    name: str

    @property
    def held(self) -> Mapping[str, str]:
        """For each kind of outcome, in the order of the table: what is held."""

    def prepare(self, folder: Path) -> None:
        """Make what all tasks start from (an undisturbed sweep, a server), in a folder that stays until the end."""

    def tasks(self) -> Sequence[Task]:
        """Return all tasks of the whole torture; a shorter one takes every k-th."""

    def close(self) -> None:
        """End what `prepare` started."""


@dataclass
class Common:
    """What parts share: the program under attack and the seed of everything random."""

    program: Program
    seed: int
    name = ""

    def random(self, what: object) -> random.Random:
        """Return random numbers of their own for a task, whatever ran before it."""
        return random.Random(f"{self.seed}/{self.name}/{what}")

    def task(self, number: int, run: Callable[[Path], list[Outcome]]) -> Task:
        """Return a task of this part."""
        return Task(f"{self.name}/{number:03d}", run)

    def close(self) -> None:
        """Nothing was started."""


def traceback_in(said: str) -> str:
    """Return the last line of a traceback in what a command printed; empty where there is none."""
    if "Traceback (most recent call last)" not in said:
        return ""
    lines = [line for line in said.splitlines() if line.strip()]
    return f"traceback: {lines[-1][:160]}" if lines else "traceback"


def attributed(cases: Sequence[T], attempt: Callable[[Sequence[T]], Sequence[str] | str]) -> list[str]:
    """Return what is wrong about each case, where one command meets many of them.

    `attempt` returns a problem for each case, empty where there is none, or one problem of the whole command: then halves are
    tried apart, until it is known whose it is.
    """
    problems = attempt(cases)
    if not isinstance(problems, str):
        return list(problems)
    if len(cases) == 1:
        return [problems]
    half = len(cases) // 2
    found = attributed(cases[:half], attempt) + attributed(cases[half:], attempt)
    return found if any(found) else [f"only together with {len(cases) - 1} others: {problems}", *found[1:]]
