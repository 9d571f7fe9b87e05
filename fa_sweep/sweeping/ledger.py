"""The ledger: finds finished runs by their ids, in the shards of all sweeps and single runs.

Each shard lies in the folder of the sweep (or single run) that trained it. If a shard is damaged or incomplete, the user is
told, and its runs count as absent.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from fa_sweep.errors import Unreadable
from fa_sweep.process.notices import say_once
from fa_sweep.sweeping.catalogue import Catalogue
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.outcomes import Events, events
from fa_sweep.sweeping.shards import Record, is_verifiable, read_shard

Usable = Callable[[Record], bool]


class Ledger:
    """All shards under a folder of outputs.

    Args:
        outputs: the folder of outputs.
        also: the folder of one more sweep, which may lie elsewhere.
        besides: the folder of a sweep whose shards are left out.
    """

    def __init__(self, outputs: Path, also: Path | None = None, besides: Path | None = None) -> None:
        self._catalogue, self._also = Catalogue(outputs, also), also
        self._besides = besides.resolve() if besides is not None else None
        self._unusable: set[Path] = set()

    def find(self, jobs: Iterable[Job], usable: Usable | None = None, *, quiet: bool = False) -> dict[str, Path]:
        """Find the shard of each finished run among `jobs`, and report shards that cannot be used.

        If several shards hold a run, a shard in the folder `also` is preferred, then one of the sweep that the job names as its
        source, then one with a checksum in its name, then the newest.

        Args:
            jobs: the jobs whose runs are wanted.
            usable: returns whether a record may be used. With None, every record may.
            quiet: do not report the shards that the catalogue lists as unusable, unless some run is not found.

        Returns:
            The path of the shard, by run id. Runs that were not found are left out.
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
            _say_absent(str(error), about=str(path))  # for other runs, the shard may have another fault
            return {}


def _say_absent(fault: str, about: str = "") -> None:
    say_once(f"{fault}; its runs count as absent", about)


class Records(Mapping[str, Record]):
    """The records of finished runs, by run id. They are read on demand, and only one shard is in memory at a time.

    Iteration goes shard by shard. Look up many runs in this order, because each change from one shard to another reads a file.
    The function `finished` does so.
    """

    def __init__(self, places: Mapping[str, Path], jobs: Iterable[Job]) -> None:
        """Prepare to read records.

        Args:
            places: the path of the shard of each run, by run id, as `Ledger.find(jobs)` returns it.
            jobs: the jobs whose runs are wanted.
        """
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
    """Yield each finished job with its record. It follows the order of `records`, which reads each shard only once."""
    of_run: dict[str, list[Job]] = {}
    for job in jobs:
        of_run.setdefault(job.run_id, []).append(job)
    for run_id, record in records.items():
        for job in of_run.get(run_id, ()):
            yield job, record


def run_events(job: Job, record: Record) -> Events:
    """Return the events of one finished run, judged by its job's criterion."""
    return events(job.run, record.steps, record.metrics[job.run.task.success.metric], record.diverged_at_step)
