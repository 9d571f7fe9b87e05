"""The feedback mode `random`, which waits before its first step until a test opens the gate (support/gate.py)."""

import os
import time
import uuid
from pathlib import Path

from fa_sweep.feedback.random import Random


class Gated(Random):
    """Random feedback that waits at its first step."""

    def begin_step(self, step: int) -> None:
        """At the first step, tell the test that training has begun, and wait for it to open the gate."""
        # Copies of the mode that only draw matrices for angles by chance have another purpose. They do not wait.
        if step == 0 and any(lane is not None and lane.purpose == "feedback" for lane in self.lanes):
            gate = Path(os.environ["FA_SWEEP_TESTS_GATE"])
            (gate / f"arrived-{os.getpid()}-{uuid.uuid4().hex}").touch()
            while not ((gate / "open").exists() or (gate / f"open-{os.getpid()}").exists()):
                time.sleep(0.02)
        super().begin_step(step)
