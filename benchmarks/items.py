"""Times composing jobs against Hydra's own composition, and tracking runs against MLflow's client."""

import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol
from unittest.mock import patch

from benchmarks.measure import QUIET, Row, median, pairs_of, seconds_of
from benchmarks.sweeps import MAIN, MODES, MORE, MOST, command

HYDRA_JOBS = 15  # how many jobs Hydra composes: a few suffice, because it is slow and takes equally long for each job


class Import(Protocol):
    """The type of the function that times one import."""

    def __call__(self, seeds: int, uri: str = "", *, by_client: bool = False) -> float:
        """Import a sweep into a new experiment, and return the seconds per run.

        Args:
            seeds: the number of seeds in the sweep; this chooses which of the prepared sweeps is imported.
            uri: the store; by default the SQLite database in the sweep's folder.
            by_client: whether MLflow's client writes the runs.
        """


def composition(rounds: int) -> Iterator[Row]:
    """Time how long it takes to compose jobs, check their settings, and give them names and ids."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    from fa_sweep.cli.composition import Composer
    from fa_sweep.cli.configuration import conf_dir
    from fa_sweep.cli.lines import Lines, parse_jobs
    from fa_sweep.sweeping.folder import fresh_id
    from fa_sweep.sweeping.jobs import make_jobs

    OmegaConf.register_new_resolver("fresh_id", fresh_id, use_cache=True, replace=True)
    with initialize_config_dir(config_dir=conf_dir(), version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        loader = hydra.config_loader
        master = hydra.compose_config(config_name="config", overrides=[], run_mode=RunMode.MULTIRUN)

        def ours(lines: Lines) -> float:
            """Return the seconds per job that fa_sweep takes to compose and check jobs."""
            composer, place = Composer(loader, master), lines.place_of_seed
            return seconds_of(lambda: make_jobs([composer.candidate(line, place) for line in lines])) / len(lines)

        def hydra_s_own(lines: Lines) -> float:
            """Return the seconds per job that Hydra's own composition takes."""
            some = [list(line) for line in islice(lines, HYDRA_JOBS)]
            return seconds_of(lambda: [loader.load_sweep_config(master, line) for line in some]) / len(some)

        modes = parse_jobs([f"feedback={MODES}"], loader)
        base = median([ours(modes) for _ in range(rounds)])
        yield Row("composition", "a distinct combination of groups", f"{1000 * base:.0f} ms", target="65 ms")
        for seeds in (MAIN, MORE, MOST):
            lines = parse_jobs([f"feedback={MODES}", f"seed=range({seeds})"], loader)
            pairs = pairs_of(rounds, partial(ours, lines), partial(hydra_s_own, lines))
            mine, theirs = (1000 * median(column) for column in zip(*pairs, strict=True))
            each = mine - 1000 * base * len(modes) / len(lines)
            said = f"{mine:.2f} ms a job ({each:.2f} beside the {len(modes)} combinations)"
            target = "1 ms, 0.3 to reach for" if seeds == MOST else ""
            what = f"{len(lines):,} jobs, against Hydra's own composition"
            yield Row("composition", what, said, f"{theirs:.0f} ms", [b / a for a, b in pairs], target)


def tracking(rounds: int) -> Iterator[Row]:
    """Time imports of whole histories into SQLite and PostgreSQL. Each run has 8 metrics x 51 points, and 32 last values."""
    from fa_sweep.sweeping.folder import all_sweeps
    from fa_sweep.tracking.importer import import_sweep

    with ExitStack() as stack:
        folders = {}
        for seeds in (MAIN, MORE, MOST):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            subprocess.run(command(seeds, "tracking.history=none"), cwd=folder, check=True, **QUIET)
            folders[seeds] = folder

        def import_once(seeds: int, uri: str = "", *, by_client: bool = False) -> float:
            (sweep,) = all_sweeps(folders[seeds] / "outputs")
            known = sweep.record.tracking
            tracking = replace(known, uri=uri or known.uri, experiment=f"e{time.time_ns()}", history="full")
            # If a store's tables cannot be opened, fa_sweep writes with MLflow's client instead.
            with patch("fa_sweep.tracking.stores.open_tables", return_value=None) if by_client else nullcontext():
                return seconds_of(lambda: import_sweep(sweep, tracking, folders[seeds] / "outputs")) / (3 * seeds)

        import_once(MAIN, by_client=True)  # so that loading MLflow is not timed
        pairs = pairs_of(rounds, lambda: import_once(MAIN), lambda: import_once(MAIN, by_client=True))
        yield _tracked("SQLite, 150 runs, against MLflow's log_batch", pairs, "5 ms")
        pairs = pairs_of(
            rounds, lambda: import_once(MAIN), lambda: _rows_alone(folders[MAIN] / "outputs/mlflow.db") / (3 * MAIN)
        )
        yield _tracked("SQLite, 150 runs, against their rows alone through sqlite3", pairs, "")
        for seeds in (MORE, MOST):
            each = 1000 * median([import_once(seeds) for _ in range(rounds if seeds == MORE else 1)])
            yield Row("tracking", f"SQLite, {3 * seeds:,} runs", f"{each:.2f} ms a run", target="5 ms")
        yield from _postgresql(import_once, stack, rounds)


def _tracked(what: str, pairs: Sequence[tuple[float, float]], target: str) -> Row:
    mine, theirs = (1000 * median(column) for column in zip(*pairs, strict=True))
    return Row("tracking", what, f"{mine:.2f} ms", f"{theirs:.2f} ms a run", [b / a for a, b in pairs], target)


def _postgresql(import_once: Import, stack: ExitStack, rounds: int) -> Iterator[Row]:
    try:
        import psycopg  # noqa: F401
    except ImportError:
        yield Row("tracking", "PostgreSQL", "psycopg is not installed: pip install 'fa-sweep[postgres]'")
        return
    sys.path.append(str(Path(__file__).parents[1] / "tests"))  # the folder of `support`
    from support.services import POSTGRES, postgres

    if POSTGRES is None:
        yield Row("tracking", "PostgreSQL", "is not installed")
        return
    uri = stack.enter_context(postgres())
    import_once(MAIN, uri)  # so that making the tables is not timed
    pairs = pairs_of(rounds, lambda: import_once(MAIN, uri), lambda: import_once(MAIN, uri, by_client=True))
    yield _tracked("PostgreSQL, 150 runs, against MLflow's log_batch", pairs, "10 ms")
    yield Row("tracking", "PostgreSQL, 1,500 runs", f"{1000 * import_once(MORE, uri):.2f} ms a run", target="10 ms")


def _rows_alone(database: Path) -> float:
    """Return the seconds that SQLite takes to insert the rows of the newest sweep's runs again.

    The rows get new ids and are inserted into a copy of the database, in one transaction.
    """
    tables = ("runs", "tags", "params", "metrics", "latest_metrics")
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "copy.db"
        shutil.copyfile(database, copy)
        connection = sqlite3.connect(copy)
        parent = "SELECT value FROM tags WHERE key = 'mlflow.parentRunId' ORDER BY rowid DESC LIMIT 1"
        ids = [
            row[0]
            for row in connection.execute(f"SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId' AND value = ({parent})")
        ]
        marks = ", ".join("?" * len(ids))
        rows = {
            table: connection.execute(f"SELECT * FROM {table} WHERE run_uuid IN ({marks})", ids).fetchall() for table in tables
        }
        new = {run_id: f"f{run_id[1:]}" for run_id in ids}
        rows = {table: [tuple(new.get(value, value) for value in row) for row in some] for table, some in rows.items()}

        def insert() -> None:
            with connection:
                for table, some in rows.items():
                    connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(some[0]))})", some)

        seconds = seconds_of(insert)
        connection.close()
        return seconds
