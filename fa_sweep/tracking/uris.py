"""Tracking URIs: what they point at, and which of them may be shown."""

from pathlib import Path
from urllib.parse import urlsplit

SQL_DIALECTS = ("sqlite", "postgresql", "mysql", "mssql")


def sqlite_file(uri: str) -> Path | None:
    """Return the absolute path of a SQLite tracking URI's file, None for any other URI."""
    if not uri.startswith("sqlite:///"):
        return None
    return Path(uri.removeprefix("sqlite:///").split("?")[0]).absolute()


def absolute(uri: str) -> str:
    """Return a tracking URI that means the same from any folder: MLflow keeps stores by URI, whatever the folder was."""
    database = sqlite_file(uri)
    return uri.replace(uri.removeprefix("sqlite:///").split("?")[0], str(database), 1) if database else uri


def is_sql(uri: str) -> bool:
    """Whether a tracking URI names a database."""
    return uri.partition("://")[0].partition("+")[0] in SQL_DIALECTS


def public(uri: str) -> str:
    """Return a URI as it may be shown: no user, no password, no query."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}" if parts.scheme else uri
