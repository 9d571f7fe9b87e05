"""The errors that this package raises on purpose: one class for each kind that callers handle differently.

Each message is one line, written for the user.
"""


class FaSweepError(Exception):
    """The base of all errors of this package."""


class ConfigError(FaSweepError, ValueError):
    """A setting cannot be used. The message names the field, its value and a remedy."""


class RunsFailed(FaSweepError):
    """Some runs of a command failed or are missing. All other runs are kept."""


class ShardLost(FaSweepError):
    """The process that trained a shard has died. Its runs do not count as failed; the same command trains them again."""


class Unreadable(FaSweepError):
    """A file is damaged, or it is not what its name says. The message names the file."""


class CannotWrite(FaSweepError, OSError):
    """A file could not be written because there is no space left or no permission. The message names the file."""


class TrackingError(FaSweepError):
    """Runs of the ledger could not be imported into MLflow."""


class StoreClosed(TrackingError):
    """A tracking store, or one of its experiments, cannot be used, so no sweep can be imported into it."""


class NotWritten(StoreClosed):
    """A database on this machine cannot be written because the disk is full or the user lacks permission."""


class Busy(TrackingError):
    """Another command is importing the same runs into the same store."""


class Garbled(FaSweepError):
    """The answer of a tracking server cannot be understood."""
