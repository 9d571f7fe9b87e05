"""Find what differs between sweeps: settings and environments, and nothing that they share."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fa_sweep.roles import Role, roles_of
from fa_sweep.settings.identity import run_settings
from fa_sweep.settings.schema import GROUPS
from fa_sweep.sweeping.folder import Sweep
from fa_sweep.sweeping.jobs import Job

_MOST = 6  # levels of a setting that are listed; of more, the first and last ones and their number


@dataclass(frozen=True)
class Difference:
    """Something in which sweeps differ.

    Attributes:
        what: The name of the setting or of the fact about the environment.
        levels: For each sweep, in order, the values that it has.
    """

    what: str
    levels: tuple[tuple[Any, ...], ...]

    def texts(self) -> list[str]:
        """Return each sweep's values as one text."""
        return [_text(values) for values in self.levels]


def differences(sweeps: Sequence[Sweep]) -> list[Difference]:
    """Return what differs between sweeps: first the settings of their runs, then the environments of their commands.

    A setting differs if the sets of its values do. Left out are settings that do not influence results, such as the engine, and
    those that only propose another setting's value.
    """
    settings = [_settings(sweep.jobs) for sweep in sweeps]
    environments = [{name: (value,) for name, value in sweep.record.environment.items()} for sweep in sweeps]
    return [*_between(settings), *_between(environments)]


def _settings(jobs: Iterable[Job]) -> dict[str, tuple[Any, ...]]:
    found: dict[str, dict[str, Any]] = {}
    seen: set[tuple[int, ...]] = set()
    for job in jobs:
        found.setdefault("seed", {})[str(job.run.seed)] = job.run.seed
        key = tuple(id(getattr(job.run, name)) for name in GROUPS)
        if key in seen:
            continue
        seen.add(key)
        roles = roles_of(job.run)
        for name, value in run_settings(job.run).items():
            if name not in ("seed", "engine") and roles[name] is not Role.PROPOSING:
                found.setdefault(name, {})[json.dumps(value)] = value
    return {name: tuple(values.values()) for name, values in found.items()}


def _between(facts: Sequence[dict[str, tuple[Any, ...]]]) -> list[Difference]:
    found = []
    for name in dict.fromkeys(name for each in facts for name in each):
        levels = tuple(each.get(name, ()) for each in facts)
        if len({tuple(sorted(map(json.dumps, values))) for values in levels}) > 1:
            found.append(Difference(name, levels))
    return found


def _text(values: Sequence[Any]) -> str:
    if not values:
        return "-"
    numbers = sorted(values) if all(isinstance(value, int) for value in values) else []
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return f"{numbers[0]} to {numbers[-1]}"
    texts = [value if isinstance(value, str) else json.dumps(value, separators=(",", ":")) for value in values]
    if len(texts) > _MOST:
        return f"{', '.join(texts[: _MOST - 1])}, ... {texts[-1]} ({len(texts)} values)"
    return ", ".join(texts)
