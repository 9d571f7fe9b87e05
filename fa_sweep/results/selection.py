"""Find sweeps by what a user calls them: a part of the id, the name, a folder, or "newest"."""

import os
from collections.abc import Iterable
from pathlib import Path

from fa_sweep.checks import did_you_mean, shown
from fa_sweep.errors import ConfigError
from fa_sweep.sweeping.folder import OUTPUTS, Sweep, all_sweeps
from fa_sweep.sweeping.record import RECORD

NEWEST = "newest"
_MOST_LISTED = 5


def find(called: Iterable[str | os.PathLike[str]], outputs: Path = OUTPUTS) -> list[Sweep]:
    """Return the sweeps and single runs that these words stand for, in their order, each once.

    Args:
        called: For each sweep its id or any part of it that no other id has, its name, its folder, or "newest", which is the
            newest sweep that is no single run.
        outputs: The folder of the ledger.

    Raises:
        ConfigError: A word fits no sweep, or several.
        Unreadable: The record of a sweep whose folder is given is damaged.
    """
    found: dict[Path, Sweep] = {}
    known: list[Sweep] | None = None
    for word in called:
        sweep = _in_folder(word)
        if sweep is None:
            known = all_sweeps(outputs) if known is None else known
            sweep = _one(os.fspath(word), known, outputs)
        found.setdefault(sweep.folder.resolve(), sweep)
    return list(found.values())


def find_one(called: str | os.PathLike[str], outputs: Path = OUTPUTS) -> Sweep:
    """Return the sweep or single run that a word stands for (see `find`)."""
    return find([called], outputs)[0]


def _in_folder(word: str | os.PathLike[str]) -> Sweep | None:
    folder = Path(word)
    if not os.fspath(word):
        return None
    try:
        if not os.path.lexists(folder / RECORD):
            return None
    except (OSError, ValueError):  # no path, for example because it is too long
        return None
    sweep = Sweep(folder.resolve() if folder.name in ("", ".", "..") else folder)
    _ = sweep.record  # raises Unreadable if it is damaged
    return sweep


def _one(word: str, sweeps: list[Sweep], outputs: Path) -> Sweep:
    if not sweeps:
        raise ConfigError(f"there is no sweep under {outputs} here; run one first, or give the folder of a sweep")
    if word == NEWEST:
        proper = [sweep for sweep in sweeps if not sweep.record.single]
        return (proper or sweeps)[-1]
    for fits in (lambda s: s.id == word, lambda s: word and s.labels.name == word, lambda s: word and word in s.id):
        if hits := [sweep for sweep in sweeps if fits(sweep)]:
            break
    if len(hits) == 1:
        return hits[0]
    if hits:
        raise ConfigError(f"{shown(word)} fits {len(hits)} sweeps: {_listed(hits)}; give more of the id")
    if os.path.isdir(word):
        raise ConfigError(f"{shown(word)} is not the folder of a sweep: it has no {RECORD}")
    names = [text for sweep in sweeps for text in (sweep.id, sweep.labels.name) if text]
    raise ConfigError(f"there is no sweep {shown(word)}; {did_you_mean(word, names)}there are {_listed(sweeps)}")


def _listed(sweeps: list[Sweep]) -> str:
    """Name the newest sweeps, the newest last, and count the others."""
    names = [sweep.id if not sweep.labels.name else f"{sweep.id} ({sweep.labels.name})" for sweep in sweeps[-_MOST_LISTED:]]
    more = len(sweeps) - len(names)
    return ", ".join(names) + (f", the newest last, and {more} older" if more else "")
