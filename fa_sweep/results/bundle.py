"""A bundle: one ZIP file with everything about a sweep. It can be verified, and taken into another ledger.

bundle.json      the format, the sweep's id, the hashes of its data, and the SHA-256 of every other file
sweep/...        the sweep's folder: record, jobs with all settings, failures, labels
sweep/shards/... the shards of all its runs, those of runs that it reuses too
changes.patch    the uncommitted changes of the program's repository when the bundle was made, if there were any
"""

import hashlib
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from fa_sweep.checks import shown
from fa_sweep.errors import CannotWrite, ConfigError, Unreadable
from fa_sweep.process.resources import free_disk, in_bytes
from fa_sweep.settings.identity import run_settings
from fa_sweep.sweeping.catalogue import TRACKED
from fa_sweep.sweeping.environment import uncommitted
from fa_sweep.sweeping.folder import OUTPUTS, Sweep
from fa_sweep.sweeping.record import RECORD
from fa_sweep.sweeping.shards import SHARDS
from fa_sweep.sweeping.storage import LARGEST_JSON, write_with

SUFFIX = ".fa-sweep.zip"
FORMAT = 1
_HEAD, _FOLDER, _PATCH = "bundle.json", "sweep", "changes.patch"
_CHUNK = 2**20


def write_bundle(sweep: Sweep, out: Path, outputs: Path = OUTPUTS) -> Path:
    """Write a bundle of a sweep. The file has its name only once it is whole.

    Args:
        sweep: The sweep.
        out: The file to write. It must not exist yet.
        outputs: The folder of the ledger, whose shards hold the runs that the sweep reuses.

    Raises:
        ConfigError: The file exists, or the sweep is running, or runs of it are missing.
        CannotWrite: The file cannot be written.
    """
    if out.exists():
        raise ConfigError(f"--out is {out}; it exists already: name a new file")
    records = sweep.records(outputs)
    absent = sum(job.run_id not in records and job.run_id not in sweep.failures for job in sweep.jobs)
    if sweep.is_running:
        raise ConfigError(f"{sweep.id} is still running; wait for its command")
    if absent:
        raise ConfigError(f"{sweep.id} lacks {absent} of its runs; run its command again first: {sweep.record.command}")
    shards = set(records.places.values())
    return write_with(lambda part: _write(part, sweep, shards), out)


def _write(part: Path, sweep: Sweep, shards: set[Path]) -> None:
    files = {
        f"{_FOLDER}/{path.name}": path for path in sorted(sweep.folder.iterdir()) if path.is_file() and path.name != TRACKED
    }
    files |= {f"{_FOLDER}/{SHARDS}/{path.name}": path for path in sorted(shards)}
    digests = {}
    with zipfile.ZipFile(part, "x", zipfile.ZIP_DEFLATED) as bundle:
        for name, path in files.items():
            bundle.write(path, name)
            digests[name] = _sha256(path.open("rb"))
        if patch := uncommitted():
            bundle.writestr(_PATCH, patch)
            digests[_PATCH] = hashlib.sha256(patch).hexdigest()
        head = {"format": FORMAT, "id": sweep.id, "hash": sweep.hash, "data": _data(sweep), "sha256": digests}
        bundle.writestr(_HEAD, json.dumps(head, indent=2))


def _data(sweep: Sweep) -> list[dict[str, Any]]:
    """Return the settings of the sweep's tasks that name data and their hashes."""
    found: dict[str, dict[str, Any]] = {}
    for job in sweep.jobs:
        task = {k: v for k, v in run_settings(job.run).items() if k.startswith("task.")}
        found.setdefault(json.dumps(task, sort_keys=True), task)
    return list(found.values())


def is_bundle(path: Path) -> bool:
    """Whether a file is a ZIP file, as a bundle is."""
    try:
        return path.is_file() and zipfile.is_zipfile(path)
    except (OSError, ValueError):
        return False


def read_bundle(path: Path, outputs: Path = OUTPUTS) -> tuple[Sweep, bool]:
    """Verify a bundle and take its sweep into a ledger.

    Args:
        path: The file.
        outputs: The folder of the ledger.

    Returns:
        The sweep in the ledger, and whether it was taken. If the ledger has it already, nothing is changed.

    Raises:
        Unreadable: The file is no bundle, or damaged.
        ConfigError: There is no room for its content, or its folder is in use.
        CannotWrite: The ledger cannot be written.
    """
    folder, part = None, None
    try:
        with zipfile.ZipFile(path) as bundle:
            head = _verified(bundle, path)
            folder = outputs / "sweeps" / str(head["id"])
            if (folder / RECORD).exists():
                return Sweep(folder), False
            if os.path.lexists(folder):
                raise ConfigError(f"{folder} exists, but holds no sweep; move it out of the way first")
            if (size := sum(info.file_size for info in bundle.infolist())) > free_disk(outputs):
                raise ConfigError(f"{path} holds {in_bytes(size)}, more than is free on the disk; make room first")
            part = outputs / f".{folder.name}.{os.getpid()}.tmp"  # not beside the sweeps, where it would look like one
            for name in head["sha256"]:
                if name.startswith(f"{_FOLDER}/"):
                    target = part / PurePosixPath(name).relative_to(_FOLDER)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with bundle.open(name) as source, target.open("wb") as copy:
                        shutil.copyfileobj(source, copy, _CHUNK)
        taken = Sweep(part)
        if taken.hash != head["hash"]:  # also reads the record and the jobs, which raises Unreadable if they are damaged
            raise Unreadable(f"{path} is damaged: its jobs are not those of {head['id']}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        part.rename(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, KeyError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise Unreadable(f"{path} is damaged, or no bundle: {error}") from error
    except OSError as error:
        if isinstance(error, Unreadable):
            raise
        raise CannotWrite(error.errno or 0, f"{folder or path}: {error.strerror or error}") from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
    return Sweep(folder), True


def _verified(bundle: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    """Return the head of a bundle after checking it and the content of every file. Raises Unreadable."""
    if bundle.getinfo(_HEAD).file_size > LARGEST_JSON:
        raise Unreadable(f"{path} is damaged: {_HEAD} is too large")
    head: Any = json.loads(bundle.read(_HEAD))
    digests = head.get("sha256") if isinstance(head, dict) else None
    name = str(head.get("id")) if isinstance(head, dict) else ""
    if not isinstance(digests, dict) or not all(map(_is_safe, [name, *digests])) or "/" in name:
        raise Unreadable(f"{path} is damaged, or no bundle: {_HEAD} is not as this program writes it")
    if head.get("format") != FORMAT:
        raise Unreadable(f"{path} has format {shown(head.get('format'))}; this version reads format {FORMAT}")
    if sorted(bundle.namelist()) != sorted([_HEAD, *digests]):
        raise Unreadable(f"{path} is damaged: its files are not those that {_HEAD} lists")
    for file, digest in digests.items():
        if _sha256(bundle.open(file)) != digest:
            raise Unreadable(f"{path} is damaged: {file} is not what was written")
    return dict(head)


def _is_safe(name: str) -> bool:
    """Whether a name leads to a file inside the bundle."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not PurePosixPath(name).is_absolute() and ".." not in parts and "\\" not in name and "\0" not in name


def _sha256(file: Any) -> str:
    digest = hashlib.sha256()
    with file:
        for chunk in _chunks(file):
            digest.update(chunk)
    return digest.hexdigest()


def _chunks(file: Any) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
