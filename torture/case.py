"""The building blocks of the torture: a part is a kind of attack, a part has tasks, and a task returns outcomes."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from torture.program import Program

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """The result of one case.

    Attributes:
        kind: the row of the table that counts the case.
        case: what was done to the program.
        problem: what went wrong; empty if nothing did.
    """

    kind: str
    case: str
    problem: str = ""


@dataclass(frozen=True)
class Task:
    """A piece of work for one thread. It covers one or more cases.

    Attributes:
        name: the part's name and the task's number, as PART/NUMBER.
        run: the function that does the work in a given new folder.
    """

    name: str
    run: Callable[[Path], list[Outcome]]


class Part(Protocol):
    """One kind of attack, such as kills or full disks."""

    name: str

    @property
    def held(self) -> Mapping[str, str]:
        """What the program must guarantee in each kind of case, in the order of the table's rows."""

    def prepare(self, folder: Path) -> None:
        """Make what the part's tasks share, such as an undisturbed sweep or a server.

        Args:
            folder: a new folder that exists until all tasks have ended.
        """

    def tasks(self) -> Sequence[Task]:
        """Return all tasks of this part. If the torture is given less time, it runs an evenly spaced sample of them."""

    def close(self) -> None:
        """Stop the servers that this part started."""


@dataclass
class Common:
    """The base class of the parts: holds the program under attack, and the seed of everything random."""

    program: Program
    seed: int
    name = ""

    def random(self, what: object) -> random.Random:
        """Return a random generator that depends only on the seed, the part and a key, not on what ran before.

        Args:
            what: the key, such as a task's number.
        """
        return random.Random(f"{self.seed}/{self.name}/{what}")

    def task(self, number: int, run: Callable[[Path], list[Outcome]]) -> Task:
        """Return the task of this part with a given number."""
        return Task(f"{self.name}/{number:03d}", run)

    def close(self) -> None:
        """Do nothing: most parts start no server."""


def traceback_in(said: str) -> str:
    """Return the last line of a command's output if it contains a traceback; otherwise an empty text."""
    if "Traceback (most recent call last)" not in said:
        return ""
    lines = [line for line in said.splitlines() if line.strip()]
    return f"traceback: {lines[-1][:160]}" if lines else "traceback"


def attributed(cases: Sequence[T], attempt: Callable[[Sequence[T]], Sequence[str] | str]) -> list[str]:
    """Run one command on many cases, and return the problem of each case.

    If the whole command fails, it is run again on each half of the cases, and so on, until the responsible case is found.

    Args:
        cases: the cases that one command meets.
        attempt: runs the command on some of the cases. Returns one problem per case, empty if there is none, or a single text
            if the whole command failed.

    Returns:
        One problem per case, in the order of the cases; empty if there is none.
    """
    problems = attempt(cases)
    if not isinstance(problems, str):
        return list(problems)
    if len(cases) == 1:
        return [problems]
    half = len(cases) // 2
    found = attributed(cases[:half], attempt) + attributed(cases[half:], attempt)
    return found if any(found) else [f"only together with {len(cases) - 1} others: {problems}", *found[1:]]
