"""The contract between the importer and a tracking store."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from fa_sweep.tracking import tagnames
from fa_sweep.tracking.content import DatasetContent, RunContent

ENDED = ("FINISHED", "FAILED")  # a child run with another status was left half made by an interrupted import


@dataclass(frozen=True)
class StoredRun:
    """A run as a store holds it.

    Attributes:
        run_id: The store's id of the run.
        status: MLflow's status: RUNNING, FINISHED, FAILED or KILLED.
        tags: The run's tags. `Store.members` may return only the tag that holds the job's id.
        started_at_ms: Start time, Unix time in milliseconds.
        deleted: Whether the run is marked as deleted.
        fingerprint: A hash of the run's parameters and last metric values. Stores that do not compare values leave it empty.
    """

    run_id: str
    status: str
    tags: Mapping[str, str]
    started_at_ms: int = 0
    deleted: bool = False
    fingerprint: str = ""

    @property
    def complete(self) -> bool:
        """Whether the run is the parent of a sweep and has all its children."""
        return self.status == "FINISHED" and self.tags.get(tagnames.COMPLETE) == "true"


class Store(ABC):
    """The experiments of one import in a tracking store: the contract that every store must keep.

    **Places.** Each run belongs to the experiment that `RunContent.place` names. A store creates an experiment when the first
    run is added to it. Everything else, such as `find`, concerns the runs of all these experiments.

    **Order of calls.** To import a sweep, the importer opens the store and enters `exclusive` with the sweep's hash. If
    that yields false, it gives up with `Busy`. What follows depends on what `find` returns:

    - There is no parent, or an unfinished one: `begin`, `held` and `add` for all children (within another `exclusive`), `add`
      for the groups, `members` and `remove` for groups that are out of date, `write_text`, `log_datasets`, `experiment_ids`,
      `end`. Only `end` sets the tag `tagnames.COMPLETE`, so an interrupted import leaves a parent that is visibly incomplete.
    - The parent is complete: `members`, then `held` and `add` if any child is missing.
    - The parent is marked as deleted: nothing is written.
    - The sweep is a single run without a parent: `find`, then `held`, `add` with the sweep's tag as the group, `members`.

    If it has added runs, it then calls `find` again, and `tag` to mark superseded runs. It always calls `close` and then reads
    `notices`. To attach a report later, it opens the store again and calls `add_file`, `find`, `experiment_ids`, `tag` and
    `close`.

    **Idempotence.** Every method may be called again with the same arguments, in the same import or in a later one that
    continues an interrupted one, and must leave the same rows. `begin` and `add` therefore look for a run before they create
    it.

    **Lost answers.** A request may be carried out although its answer is lost. Before a store repeats such a request, it checks
    what the first one left. A method returns only when the store has what was written, and otherwise raises `TrackingError`,
    or `StoreClosed` if the store cannot be reached. If a store created a run twice, it removes the surplus run as `remove`
    does. Artifacts are an exception: a store that cannot take them says so in `notices` and goes on.

    **Deleted runs.** A run that somebody deleted stays deleted. `find` and `members` return it with `deleted` set, `add` does
    not add it again, and `begin` ignores it. A purged run is simply missing and is added again.

    Attributes:
        notices: Lines for the user about these experiments.

    Example:
        A complete store in memory. Only this process uses it, so it needs no locks and loses no answers::

            class MemoryStore(Store):
                def __init__(self):
                    self.notices, self.runs, self.contents = [], {}, {}
                    self.datasets, self.artifacts = {}, {}
                @contextmanager
                def exclusive(self, key, wait_s, waiting):
                    yield True
                def find(self, tags):
                    found = [run for run in self.runs.values() if tags.items() <= run.tags.items()]
                    return sorted(found, key=lambda run: (-run.started_at_ms, run.run_id))
                def members(self, group):
                    return one_per_job(run for run in self.find(group) if tagnames.JOB_ID in run.tags)
                def begin(self, content):
                    own = {name: content.tags[name] for name in (tagnames.SWEEP, tagnames.KIND)}
                    there = [run for run in self.find(own) if not run.deleted]
                    return there[0].run_id if there else self._put(uuid4().hex, content, "RUNNING")
                def end(self, run_id, content, tags):
                    run = self.runs[run_id]
                    self.runs[run_id] = replace(run, status=content.status, tags={**run.tags, **tags})
                def add(self, contents, group):
                    there, added = self.members(group), 0
                    for content in contents():
                        known = there.get(content.tags[tagnames.JOB_ID])
                        if known is None or not (known.deleted or known.status in ENDED):
                            run_id = known.run_id if known else uuid4().hex
                            if content.overlong:
                                self.write_text(run_id, overlong_text(content), OVERLONG)
                            self._put(run_id, content.within(group), content.status)
                            added += 1
                    return added
                def tag(self, run_id, name, value):
                    run = self.runs[run_id]
                    self.runs[run_id] = replace(run, tags={**run.tags, name: value})
                def held(self, run_ids):
                    places = {key: content.place for key, content in self.contents.items()}
                    runs = [run for run in self.find({}) if run.status == "FINISHED" and places[run.run_id] == RUNS]
                    return {run.tags[tagnames.RUN_ID] for run in runs if not run.deleted} & set(run_ids)
                def remove(self, run_id):
                    del self.runs[run_id]
                def experiment_ids(self):
                    return dict(zip(PLACES, "123"))
                def log_datasets(self, run_id, datasets):
                    self.datasets.setdefault(run_id, {}).update({(data.name, data.digest): data for data in datasets})
                def write_text(self, run_id, text, name):
                    self.artifacts[run_id, name] = text.encode()
                def add_file(self, run_id, path, folder):
                    self.artifacts[run_id, f"{folder}/{path.name}"] = path.read_bytes()
                def close(self): ...
                def _put(self, run_id, content, status):
                    self.contents[run_id] = content
                    self.runs[run_id] = StoredRun(run_id, status, content.tags, content.started_at_ms)
                    return run_id
    """

    notices: list[str]

    @abstractmethod
    def exclusive(self, key: str, wait_s: float, waiting: Callable[[], None]) -> AbstractContextManager[bool]:
        """Keep other imports with the same key out while the block runs.

        A store without locks yields true. If several imports then create parents, the importer decides which parent counts.

        Args:
            key: What is imported: the sweep's hash.
            wait_s: How long to wait for another import, in seconds.
            waiting: Called once if another import holds the lock.

        Returns:
            A context manager that yields whether the lock was obtained in time. The lock must be released when the process that
            holds it ends, however it ends.
        """

    @abstractmethod
    def find(self, tags: Mapping[str, str]) -> list[StoredRun]:
        """Return the runs that have all these tags, in all places, newest start first. Deleted runs are included."""

    @abstractmethod
    def members(self, group: Mapping[str, str]) -> dict[str, StoredRun]:
        """Return one run per job among the runs that have all these tags; see `one_per_job` for the choice.

        Args:
            group: The tags of the group, for example the tag that names the parent.

        Returns:
            The runs by the job's id (`tagnames.JOB_ID`).
        """

    @abstractmethod
    def begin(self, content: RunContent) -> str:
        """Create the parent run of a sweep, unless the sweep has one that is not deleted.

        Args:
            content: The parent. Its tags `tagnames.SWEEP` and `tagnames.KIND` identify it. Its status and end time are not
                used: the new run is RUNNING until `end`.

        Returns:
            The run's id.
        """

    @abstractmethod
    def end(self, run_id: str, content: RunContent, tags: Mapping[str, str]) -> None:
        """End a run, and set tags on it afterwards.

        The order matters: a run with the tag `tagnames.COMPLETE` must already have its status.

        Args:
            run_id: The run.
            content: The run's final status and end time.
            tags: The tags to set.
        """

    @abstractmethod
    def add(self, contents: Callable[[], Iterable[RunContent]], group: Mapping[str, str]) -> int:
        """Add runs that have ended, with all their values and with the group's tags.

        A run that is already in the group is skipped if it has ended or is marked as deleted. If an interrupted import left it
        half made, it is completed under the same id. The values in `RunContent.overlong` go into the artifact that
        `fa_sweep.tracking.content.OVERLONG` names.

        Args:
            contents: Returns an iterable of the runs. A store may call it again to repeat the work, and must read one iterable
                to the end. The iterable makes one run at a time; a list of all runs may take a gigabyte of memory.
            group: Tags that all these runs get, for example the one that names the parent.

        Returns:
            The number of runs that were added or completed.
        """

    @abstractmethod
    def tag(self, run_id: str, name: str, value: str) -> None:
        """Set a tag on a run, and replace the tag's value if the run has it already."""

    @abstractmethod
    def held(self, run_ids: Collection[str]) -> set[str]:
        """Return those of some ids of the ledger's runs (`tagnames.RUN_ID`) of which `RUNS` has a finished run."""

    @abstractmethod
    def remove(self, run_id: str) -> None:
        """Delete a run that this program made and that nobody needs, and hide it from `find` (`tagnames.DUPLICATE`)."""

    @abstractmethod
    def experiment_ids(self) -> dict[str, str]:
        """Return the ids of the experiments that exist, by place."""

    @abstractmethod
    def log_datasets(self, run_id: str, datasets: Sequence[DatasetContent]) -> None:
        """Record which data sets a run used."""

    @abstractmethod
    def write_text(self, run_id: str, text: str, name: str) -> None:
        """Write a text as an artifact called `name`, in UTF-8. An older artifact of this name is replaced."""

    @abstractmethod
    def add_file(self, run_id: str, path: Path, folder: str) -> None:
        """Copy a file into a folder of the run's artifacts, under the file's own name. An older file there is replaced."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections. The store is not used afterwards, except that `notices` is read."""


def one_per_job(runs: Iterable[StoredRun]) -> dict[str, StoredRun]:
    """Choose one run per job: active runs come before deleted ones, and then the smallest id wins.

    Args:
        runs: The runs. Each must have the tag `tagnames.JOB_ID`.

    Returns:
        The chosen runs by the job's id.
    """
    best: dict[str, StoredRun] = {}
    for run in runs:
        job_id = run.tags[tagnames.JOB_ID]
        if job_id not in best or (run.deleted, run.run_id) < (best[job_id].deleted, best[job_id].run_id):
            best[job_id] = run
    return best
