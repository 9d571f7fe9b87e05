"""Training that waits where a test wants it: `feedback=gated` is `feedback=random`, held at its first step until it is let in.

So a test ends a process in the middle of its work on any machine, and needs no training that is long enough for it.
"""

import os
import subprocess
from pathlib import Path

from support.waiting import until

PIECES = Path(__file__).parent / "pieces"


class Gate:
    """A folder in which stacks that have come to their first step say so, and find whether they may go on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        path = os.pathsep.join([str(PIECES), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.environment = {"PYTHONPATH": path, "FA_SWEEP_TESTS_GATE": str(folder)}

    def arrived(self) -> list[int]:
        """The processes of stacks that have come, in the order of their coming."""
        files = sorted(self.folder.glob("arrived-*"), key=lambda file: (file.stat().st_mtime_ns, file.name))
        return [int(file.name.split("-")[1]) for file in files]

    def wait_for(self, stacks: int, sweep: "subprocess.Popen[str]") -> list[int]:
        """Wait until so many of a sweep's have come; returns the processes."""

        def there() -> bool:
            assert sweep.poll() is None, f"it has ended: {sweep.communicate()}"
            return len(self.arrived()) >= stacks

        until(there, f"{stacks} stacks at their first step")
        return self.arrived()

    def admit(self, pid: int) -> None:
        """Let the stacks of one process go on."""
        (self.folder / f"open-{pid}").touch()

    def open(self) -> None:
        """Let all go on."""
        (self.folder / "open").touch()
