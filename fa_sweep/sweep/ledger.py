"""The ledger: finds every finished run by its id, in the shards of all sweeps and single runs.

Shards lie in the folder of the sweep (or single run) that trained them. A shard that is damaged, or lacks data that its runs
must have, is reported, and its runs count as absent.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from fa_sweep.errors import Unreadable
from fa_sweep.process.notices import say_once
from fa_sweep.sweep.catalogue import Catalogue
from fa_sweep.sweep.jobs import Job
from fa_sweep.sweep.outcomes import Events, events
from fa_sweep.sweep.shards import Record, is_verifiable, read_shard

Usable = Callable[[Record], bool]


class Ledger:
    """All shards under a folder of outputs.

    `also` is the folder of one more sweep, perhaps elsewhere. The shards of the sweep in the folder `besides` are left out.
    """

    def __init__(self, outputs: Path, also: Path | None = None, besides: Path | None = None) -> None:
        self._catalogue, self._also = Catalogue(outputs, also), also
        self._besides = besides.resolve() if besides is not None else None
        self._unusable: set[Path] = set()

    def find(self, jobs: Iterable[Job], usable: Usable | None = None, *, quiet: bool = False) -> dict[str, Path]:
        """Find the shard of each finished run among `jobs`, and report shards that cannot be used.

        If several shards hold a run, a shard in the folder `also` comes first, then one of the sweep that the job names as
        its source, then the newest.

        Args:
            jobs: the jobs whose runs are wanted.
            usable: says of a record whether it may be used; all may be if it is None.
            quiet: report the shards that the catalogue lists as unusable only if a run is not found.

        Returns:
            The path of the shard by run id; runs that were not found are missing.
        """
        wanted = {job.run_id: job for job in jobs}
        left = {i: self._in_order(wanted[i], paths) for i, paths in self._catalogue.places(wanted).items()}
        left = {run_id: paths for run_id, paths in left.items() if paths}
        found: dict[str, Path] = {}
        while left:
            of_shard: dict[Path, dict[str, Job]] = {}
            for run_id, paths in left.items():
                of_shard.setdefault(paths[0], {})[run_id] = wanted[run_id]
            for path, members in of_shard.items():
                records = self._read(path, members)
                found |= {run_id: path for run_id, record in records.items() if usable is None or usable(record)}
            left = {run_id: paths[1:] for run_id, paths in left.items() if run_id not in found and len(paths) > 1}
        if not quiet or len(found) < len(wanted):  # the missing runs may be in shards that cannot be read
            for fault in self._catalogue.faults():
                _say_absent(fault)
        return found

    def _in_order(self, job: Job, paths: Sequence[Path]) -> list[Path]:
        def preference(path: Path) -> tuple[bool, bool, bool, str]:
            sweep = path.parent.parent
            return sweep == self._also, sweep.name == job.source, is_verifiable(path), path.name

        mine = (path for path in paths if path.parent.parent.resolve() != self._besides)
        return sorted(mine if self._besides is not None else paths, key=preference, reverse=True)

    def _read(self, path: Path, jobs: Mapping[str, Job]) -> dict[str, Record]:
        if path in self._unusable:
            return {}
        try:
            return read_shard(path, jobs)
        except Unreadable as error:
            self._unusable.add(path)
            _say_absent(str(error))
            return {}


def _say_absent(fault: str) -> None:
    say_once(f"{fault}; its runs count as absent")


class Records(Mapping[str, Record]):
    """Finished runs by id, read on demand, with one shard in memory at a time.

    Iteration goes shard by shard. To look up many runs, go in the same order, as `finished` does: each change of shard reads a
    file.
    """

    def __init__(self, places: Mapping[str, Path], jobs: Iterable[Job]) -> None:
        """Take `places`, the shard of each run, as `Ledger.find` has found it for `jobs`."""
        self._by_shard: dict[Path, dict[str, Job]] = {}
        for job in jobs:
            if job.run_id in places:
                self._by_shard.setdefault(places[job.run_id], {})[job.run_id] = job
        self.places = places
        self._open: tuple[Path, dict[str, Record]] | None = None

    def __getitem__(self, run_id: str) -> Record:
        path = self.places[run_id]
        if self._open is None or self._open[0] != path:
            self._open = None  # frees the memory before the next shard is read
            self._open = path, read_shard(path, self._by_shard[path])
        return self._open[1][run_id]

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._by_shard.values())

    def __len__(self) -> int:
        return len(self.places)

    def __contains__(self, run_id: object) -> bool:
        return run_id in self.places


def finished(jobs: Iterable[Job], records: Mapping[str, Record]) -> Iterator[tuple[Job, Record]]:
    """Yield each finished job with its record, in the order of `records`, so that each shard is read only once."""
    of_run: dict[str, list[Job]] = {}
    for job in jobs:
        of_run.setdefault(job.run_id, []).append(job)
    for run_id, record in records.items():
        for job in of_run.get(run_id, ()):
            yield job, record


def run_events(job: Job, record: Record) -> Events:
    """Return the events of one finished run, judged by its job's criterion."""
    return events(job.run, record.steps, record.metrics[job.run.task.success.metric], record.diverged_at_step)
