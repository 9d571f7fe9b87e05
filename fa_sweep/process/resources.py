"""How much memory and disk space this process can use, given the machine and the limits set for the process."""

import os
import shutil
from pathlib import Path

from fa_sweep.errors import ConfigError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

SMALL = 2**20  # requests up to this size, in bytes, are not checked
_NO_LIMIT = 2**62
_GROUPS = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Return how many bytes of memory this process and its children can still allocate.

    This is the smallest of three amounts: the memory that is free on the machine, the memory that the limits of the control
    groups leave, and the memory that the process's own limit leaves.
    """
    return max(0, min(_of_machine(), _of_groups(), _of_process()))


def require_memory(needed: dict[str, int]) -> None:
    """Raise ConfigError if more memory is needed than is available. The message names the setting that needs most.

    Args:
        needed: for each setting or file that needs memory, by name, the number of bytes.
    """
    total = sum(needed.values())
    if total > SMALL and total > (available := available_memory()):
        largest = max(needed, key=lambda name: needed[name])
        asked = f"{in_bytes(needed[largest])} of memory, of which {in_bytes(available)} are free"
        raise ConfigError(f"{largest} takes {asked}: make it smaller")


def free_disk(folder: Path) -> int:
    """Return how many bytes are free on the disk that holds a folder, or will hold it if it does not exist yet."""
    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue  # the folder does not exist yet, so ask about its parent
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
    """Return how much of this process's address space (ulimit -v) is not in use."""
    if resource is None:
        return _NO_LIMIT
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    used = [int(line.split()[1]) * 1024 for line in _lines(Path("/proc/self/status")) if line.startswith("VmSize:")]
    return _NO_LIMIT if limit == resource.RLIM_INFINITY else limit - sum(used)


def _of_groups() -> int:
    """Return the least memory that is left in this process's control groups and their parents (cgroup versions 1 and 2)."""
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
    """Return the least memory that is left in a control group and its parents.

    Inside a container, `path` may be the group's path on the host. The root is therefore always checked too.
    """
    place, least = Path(path), _NO_LIMIT
    for group in dict.fromkeys([place, *place.parents, Path("/")]):
        folder = root / group.relative_to("/") if group.is_absolute() else root
        allowed, used = _number(folder / limit), _number(folder / usage)
        if allowed is not None and used is not None and allowed < _NO_LIMIT:
            # Cached pages of files that were not used lately count as free: the kernel drops them before it refuses memory.
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
    """Format a size in bytes for people, such as "1.5 GiB"."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.0f} TiB" if size >= 10 else f"{size:.1f} TiB"


def in_time(seconds: float) -> str:
    """Format a duration in seconds for people, such as "3.2 min"."""
    for unit, length, most in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48), ("days", 86400, 1000)):
        if seconds < length * most:
            return f"{seconds / length:.1f} {unit}" if seconds / length < 10 else f"{seconds / length:.0f} {unit}"
    return f"{seconds / (365.25 * 86400):,.0f} years"
