"""What can go wrong with a tracking store. Each message is one line."""


class TrackingError(Exception):
    """MLflow could not take what the ledger holds."""


class StoreClosed(TrackingError):
    """A store, or an experiment of it, could not be opened: whatever sweep it was for."""


class NotWritten(StoreClosed):
    """A database on this machine could not be written: the disk is full, or the file is not ours to write."""


class Busy(TrackingError):
    """Another command imports the same runs into the same store."""
