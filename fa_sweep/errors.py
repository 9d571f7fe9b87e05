"""Every error that this package raises on purpose, one class for each kind that somebody handles differently.

The message of each is one line for the user.
"""


class FaSweepError(Exception):
    """The base of all errors of this package."""


class ConfigError(FaSweepError, ValueError):
    """A setting cannot be used. The message names the field, its value and a remedy."""


class RunsFailed(FaSweepError):
    """Some runs of a command failed or are missing; all others are kept."""


class ShardLost(FaSweepError):
    """The process that trained a shard has disappeared. Its runs did not fail: the same command trains them again."""


class Unreadable(FaSweepError):
    """A file is damaged, or it is not what its name says. The message names the file."""


class CannotWrite(FaSweepError, OSError):
    """A file could not be written because there is no space left or no permission. The message names the file."""


class TrackingError(FaSweepError):
    """MLflow could not take what the ledger holds."""


class StoreClosed(TrackingError):
    """A tracking store, or one of its experiments, could not be opened for any sweep."""


class NotWritten(StoreClosed):
    """A database on this machine could not be written: the disk is full, or this user may not write to the file."""


class Busy(TrackingError):
    """Another command is importing the same runs into the same store."""


class Garbled(FaSweepError):
    """A tracking server's answer makes no sense."""
