"""Sends signals to its own process at a moment that SIGNAL_AT specifies. Python imports this module when it starts.

SIGNAL_AT is "EVENT,WORD,NUMBER,SIGNAL...". The signals are sent at the NUMBER-th audit event named EVENT that has WORD in its
arguments, counted from the first import of fa_sweep. The hook then also writes the file that SIGNAL_SENT names.
"""

import os
import sys

wanted = os.environ.pop("SIGNAL_AT", None)  # popped, so that child processes do not inherit it
if wanted:
    event, word, number, *signals = wanted.split(",")
    note = os.environ.pop("SIGNAL_SENT")
    seen = {"package": 0, "events": 0}

    def hook(name, arguments):
        if name == "import" and arguments[0] == "fa_sweep":
            seen["package"] = 1
        if seen["package"] and name == event and word in str(arguments):
            seen["events"] += 1
            if seen["events"] == int(number):
                with open(note, "w") as file:
                    file.write(f"{name} {arguments}"[:200])
                for signal in signals:
                    os.kill(os.getpid(), int(signal))

    sys.addaudithook(hook)
