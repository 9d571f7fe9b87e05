"""Tracking URIs: choose one, check it, compare two, and show one without its password."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlsplit

from fa_sweep.errors import ConfigError

AUTO = "auto"
VARIABLE = "MLFLOW_TRACKING_URI"
DEFAULT = "sqlite:///outputs/mlflow.db"
SQL_DIALECTS = ("sqlite", "postgresql", "mysql", "mssql")
SQLITE = "sqlite:///"
PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
WRITE_ONE = f"write {SQLITE}FILE, http://HOST:PORT or postgresql+psycopg://USER@HOST/DATABASE"


@dataclass(frozen=True)
class Target:
    """A tracking URI and its origin.

    Attributes:
        uri: The URI.
        source: The name of the setting or environment variable that gave the URI; `DEFAULT` if none did.
    """

    uri: str
    source: str

    @property
    def by_default(self) -> bool:
        """Whether neither a setting nor the environment named a store."""
        return self.source == DEFAULT

    @property
    def shown(self) -> str:
        """The URI as it may be printed, followed by the setting that it comes from."""
        return f"{public(self.uri)} ({'default' if self.by_default else f'from {self.source}'})"


def choose(setting: str, name: str = "tracking.uri") -> Target:
    """Choose the tracking store: the setting if it names one, otherwise MLFLOW_TRACKING_URI, otherwise outputs/mlflow.db.

    Args:
        setting: A URI, or "auto" if the user named none.
        name: The setting's name in error messages.

    Raises:
        ConfigError: If the URI cannot name a store. Only the URI itself is checked; no store is opened.
    """
    if setting != AUTO:
        target = Target(setting, name)
    elif given := os.environ.get(VARIABLE, "").strip():
        target = Target(given, VARIABLE)
    else:
        target = Target(DEFAULT, DEFAULT)
    if (wrong := _wrong(target.uri)) is not None:
        field = name if target.by_default else target.source
        raise ConfigError(f"{field} is {public(target.uri)!r}; {wrong}")
    return Target(absolute(target.uri), target.source)


def _wrong(uri: str) -> str | None:
    """Return what is wrong with a URI, and the remedy; None if nothing is wrong."""
    scheme, found, rest = uri.partition("://")
    dialect = scheme.partition("+")[0]
    if scheme in ("databricks", "databricks-uc", "uc"):
        if not _has_databricks():
            return "MLflow's client for it is not installed: pip install 'mlflow[databricks]'"
        return _wrong_with_profile(rest)
    if not found:
        return f"MLflow keeps runs in databases and on servers: {WRITE_ONE}"
    if dialect == "sqlite":
        return None if sqlite_file(uri) else f"it names no file: write {SQLITE}FILE"
    if scheme in ("http", "https"):
        try:
            parts = urlsplit(uri)
            known = re.fullmatch(r"[^\s%]+", parts.hostname or "") is not None and parts.port is not False
        except ValueError as error:
            return f"{error}: {WRITE_ONE}"
        return None if known else f"it names no host: {WRITE_ONE}"
    if dialect in SQL_DIALECTS and rest:
        return None
    return None if _is_plugin(scheme) else f"no store is called {scheme!r}: {WRITE_ONE}"


def _has_databricks() -> bool:
    from importlib.util import find_spec

    return find_spec("databricks") is not None and find_spec("databricks.sdk") is not None


def _wrong_with_profile(name: str) -> str | None:
    """Return what is wrong with the Databricks profile that a URI names; None if nothing is wrong.

    If the URI names no profile, it is enough that DATABRICKS_HOST is set or that the file of profiles exists.
    """
    from configparser import ConfigParser, Error

    file = Path(os.environ.get("DATABRICKS_CONFIG_FILE") or "~/.databrickscfg").expanduser()
    if not name:
        found = file.is_file() or "DATABRICKS_HOST" in os.environ
        return None if found else f"neither DATABRICKS_HOST nor {file} says where it is: set the variable, or write the file"
    profiles = ConfigParser()
    try:
        profiles.read(file)
    except (Error, UnicodeDecodeError) as error:
        return f"{file} cannot be read: {' '.join(str(error).split())[:200]}"
    profile = name.partition(":")[0]
    known = profile in profiles or profile == profiles.default_section
    return None if known else f"{file} has no profile {profile!r}: write it there, or name another store"


def _is_plugin(scheme: str) -> bool:
    from importlib.metadata import entry_points

    return any(scheme == entry.name for entry in entry_points(group="mlflow.tracking_store"))


def sqlite_file(uri: str) -> Path | None:
    """Return the absolute path of the file that a SQLite URI names.

    Escapes such as %3F are decoded, and a leading ~ stands for a home folder. A path may also contain ? and % unescaped.
    A ? begins a query only if name=value pairs follow. Escapes are not decoded if only the folder of the undecoded path exists.

    Args:
        uri: Any tracking URI.

    Returns:
        The path; None if the URI is not a SQLite URI or names no file.

    Raises:
        ConfigError: If the path begins with the home folder of an unknown user.
    """
    if not uri.startswith(SQLITE):
        return None
    raw = _split(uri)[0]
    named = os.fsdecode(unquote_to_bytes(raw))
    if not named or named == ":memory:" or named.endswith("/") or "\0" in named:
        return None
    if named != raw and not os.path.isdir(os.path.dirname(named) or ".") and os.path.isdir(os.path.dirname(raw)):
        named = raw
    try:
        return Path(os.path.abspath(Path(named).expanduser() if named.startswith("~") else named))
    except RuntimeError as error:
        raise ConfigError(f"{uri} begins with a home folder that nobody has here; write the path in full") from error


def _split(uri: str) -> tuple[str, str]:
    """Return the path and the query of a SQLite URI, both undecoded. A ? begins a query only if name=value pairs follow."""
    rest = uri.removeprefix(SQLITE)
    path, _, query = rest.partition("?")
    return (path, query) if re.fullmatch(r"(\w+=[^&/]*(&\w+=[^&/]*)*)?", query) else (rest, "")


def sqlite_uri(file: Path, query: str = "") -> str:
    """Return the URI of a SQLite file, with the special characters of its path escaped."""
    return SQLITE + quote(os.fsencode(file), safe="/") + (f"?{query}" if query else "")


def absolute(uri: str) -> str:
    """Return a tracking URI with an absolute path in place of a relative one.

    MLflow caches stores by URI, so after a change of the working folder a relative path would still name the old file.
    """
    file = sqlite_file(uri)
    return sqlite_uri(file, _split(uri)[1]) if file else uri


def same_store(one: str, other: str) -> bool:
    """Whether two URIs name the same store: the same file, or the same dialect or scheme, host, port and path.

    User, password and driver are ignored.
    """
    return _place(one) == _place(other)


def _place(uri: str) -> tuple[object, ...]:
    if file := sqlite_file(uri):
        return "sqlite", file.resolve()
    try:
        parts = urlsplit(uri)
        dialect = parts.scheme.partition("+")[0]
        socket = sorted((k, v) for k, v in parse_qsl(parts.query) if k in ("host", "port", "service"))
        return dialect, parts.hostname, parts.port or PORTS.get(dialect), parts.path.rstrip("/"), tuple(socket)
    except ValueError:
        return ("unreadable", uri)


def is_sql(uri: str) -> bool:
    """Whether a tracking URI names an SQL database. SQLite files count."""
    return uri.partition("://")[0].partition("+")[0] in SQL_DIALECTS


def is_server(uri: str) -> bool:
    """Whether a tracking URI names anything but a SQLite file. Such a store is reached over a network and may never answer."""
    return not uri.startswith("sqlite:")


def public(uri: str) -> str:
    """Return a URI for printing: without user, password and query, and with a relative path to a file in the working folder."""
    file = sqlite_file(uri) if uri.startswith(SQLITE) else None
    if file is not None:
        return SQLITE + (os.path.relpath(file) if file.is_relative_to(Path.cwd()) else str(file))
    try:
        parts = urlsplit(uri)
        where = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return re.sub(r"//.*", "//...", uri)
    return f"{parts.scheme}://{where}{parts.path}" if parts.scheme else uri
