"""How much memory and disk space there is: what the machine has, less what limits of this process or its group forbid."""

import os
import shutil
from pathlib import Path

from fa_sweep.errors import ConfigError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

SMALL = 2**20  # bytes that nobody needs to ask for
_NO_LIMIT = 2**62
_GROUPS = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Return how many bytes this process and its children can still take: the least of all limits that the system tells."""
    return max(0, min(_of_machine(), _of_groups(), _of_process()))


def require_memory(needed: dict[str, int]) -> None:
    """Raise ConfigError, naming the setting that asks for most, where bytes by setting are more than can be had."""
    total = sum(needed.values())
    if total > SMALL and total > (available := available_memory()):
        largest = max(needed, key=lambda name: needed[name])
        asked = f"{in_bytes(needed[largest])} of memory, of which {in_bytes(available)} are free"
        raise ConfigError(f"{largest} takes {asked}: make it smaller")


def free_disk(folder: Path) -> int:
    """Return how many bytes are free where a folder lies, or will lie once it is made."""
    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue  # not made yet
    return _NO_LIMIT


def _of_machine() -> int:
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError, AttributeError):
        return _NO_LIMIT


def _of_process() -> int:
    """The limit on addresses (ulimit -v), less those in use."""
    if resource is None:
        return _NO_LIMIT
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    used = [int(line.split()[1]) * 1024 for line in _lines(Path("/proc/self/status")) if line.startswith("VmSize:")]
    return _NO_LIMIT if limit == resource.RLIM_INFINITY else limit - sum(used)


def _of_groups() -> int:
    """The limits of this process's control groups and of those above them, version 2 and version 1."""
    least = _NO_LIMIT
    for line in _lines(Path("/proc/self/cgroup")):
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            least = min(least, _least(_GROUPS, path, "memory.max", "memory.current", "inactive_file"))
        elif "memory" in controllers.split(","):
            names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            least = min(least, _least(_GROUPS / "memory", path, *names))
    return least


def _least(root: Path, path: str, limit: str, usage: str, cache: str) -> int:
    """Return the least that a group or one above it has left; inside a container the path may be the host's."""
    place, least = Path(path), _NO_LIMIT
    for group in dict.fromkeys([place, *place.parents, Path("/")]):
        folder = root / group.relative_to("/") if group.is_absolute() else root
        allowed, used = _number(folder / limit), _number(folder / usage)
        if allowed is not None and used is not None and allowed < _NO_LIMIT:
            # Pages of files that nobody has touched lately are given up before anything is refused.
            cached = [int(line.split()[1]) for line in _lines(folder / "memory.stat") if line.split()[:1] == [cache]]
            least = min(least, allowed - used + sum(cached))
    return least


def _number(path: Path) -> int | None:
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdecimal() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []


def in_bytes(size: float) -> str:
    """Return a size as a person reads it."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.0f} TiB" if size >= 10 else f"{size:.1f} TiB"


def in_time(seconds: float) -> str:
    """Return a duration as a person reads it."""
    for unit, length, most in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48), ("days", 86400, 1000)):
        if seconds < length * most:
            return f"{seconds / length:.1f} {unit}" if seconds / length < 10 else f"{seconds / length:.0f} {unit}"
    return f"{seconds / (365.25 * 86400):,.0f} years"
