"""A gate for training: `feedback=gated` is `feedback=random`, but waits at its first step until a test opens the gate.

A test can therefore end a process in the middle of its work on any machine, without a long training.
"""

import os
import subprocess
from pathlib import Path

from support.waiting import until

PIECES = Path(__file__).parent / "pieces"


class Gate:
    """A folder through which a test holds stacks at their first step.

    A stack that reaches its first step writes a file into the folder, and waits until the test writes another file there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        path = os.pathsep.join([str(PIECES), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.environment = {"PYTHONPATH": path, "FA_SWEEP_TESTS_GATE": str(folder)}

    def arrived(self) -> list[int]:
        """Return the process ids of the stacks that have arrived at the gate, in the order of their arrival."""
        files = sorted(self.folder.glob("arrived-*"), key=lambda file: (file.stat().st_mtime_ns, file.name))
        return [int(file.name.split("-")[1]) for file in files]

    def wait_for(self, stacks: int, sweep: "subprocess.Popen[str]") -> list[int]:
        """Wait until `stacks` stacks of a sweep have arrived, and return their process ids."""

        def there() -> bool:
            assert sweep.poll() is None, f"it has ended: {sweep.communicate()}"
            return len(self.arrived()) >= stacks

        until(there, f"{stacks} stacks at their first step")
        return self.arrived()

    def admit(self, pid: int) -> None:
        """Let the stacks of one process go on."""
        (self.folder / f"open-{pid}").touch()

    def open(self) -> None:
        """Let all stacks go on."""
        (self.folder / "open").touch()
