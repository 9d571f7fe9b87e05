"""Masks passwords and tokens in everything that is written to a file or printed."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

MASK = "***"
SHORTEST = 4  # characters; shorter secrets are masked only inside URIs, because elsewhere they match parts of words by chance
_NAMES = r"[\w.-]*(?:password|passwd|passphrase|pwd|pass|token|secret|api_?key|access_?key|credentials?)"

# scheme://user:PASSWORD@, up to the last @ of the word, because a password that is not percent-encoded may contain any of :/@?
# A scheme must begin where a word begins, and the length of a password is limited. Otherwise a long word would be searched
# again from each of its letters.
_USERINFO = re.compile(r"((?<![\w+.-])[\w+.-]+://[^\s:/@?#'\"]*):([^\s'\"]{0,4096})@")
# https://TOKEN@host, because the user name in a web address is often a token.
_WEB_USER = re.compile(r"(https?://)([^\s:/@?#'\"]+)@")
_QUERY = re.compile(rf"([?&;\s](?:{_NAMES})=)([^&;\s'\"]+)", re.IGNORECASE)
_remembered: set[str] = set()


def redact(text: str) -> str:
    """Replace every password and token in a text by `***`.

    This masks passwords in URIs, the values of query parameters whose names sound like secrets, and all secrets that were
    remembered by `remember_secrets_of` and `remember_secrets_of_the_process`.
    """
    for secret in sorted(_remembered, key=len, reverse=True):
        text = text.replace(secret, MASK)
    if "://" in text and "@" in text:
        text = _USERINFO.sub(rf"\1:{MASK}@", text)
        text = _WEB_USER.sub(rf"\1{MASK}@", text)
    return _QUERY.sub(rf"\1{MASK}", text) if "=" in text else text


def redacted(value: Any) -> Any:
    """Redact every text in a JSON-like value, at any depth. Keys stay as they are, and tuples become lists."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {name: redacted(member) for name, member in value.items()}
    return [redacted(member) for member in value] if isinstance(value, (list, tuple)) else value


def remember_secrets_of(uri: str) -> None:
    """Make `redact` mask the secrets of a URI wherever they occur from now on, percent-encoded or not."""
    for secret in _secrets_in(uri):
        _remember(secret)


def _remember(secret: str) -> None:
    plain = unquote(secret)
    for form in {secret, plain, quote(secret), quote(plain), quote(plain, safe=""), quote_plus(plain)}:
        if len(form) >= SHORTEST:
            _remembered.add(form)


def remember_secrets_of_the_process() -> None:
    """Make `redact` mask the secrets in the command line and in the environment variables.

    Two kinds of variables are read: those whose values contain URIs, and those of databases, MLflow and cloud services whose
    names sound like secrets.
    """
    for argument in sys.argv[1:]:
        remember_secrets_of(argument)
    for name, value in os.environ.items():
        if "://" in value:
            remember_secrets_of(value)
        elif re.fullmatch(r"(PG|MYSQL_|MLFLOW_|AWS_|AZURE_|DATABRICKS_)" + _NAMES, name, re.IGNORECASE):
            _remember(value)


def has_secrets(uri: str) -> bool:
    """Whether a URI contains a password or a token."""
    return bool(_secrets_in(uri))


def _secrets_in(uri: str) -> list[str]:
    found = [match[2] for pattern in (_USERINFO, _WEB_USER) for match in pattern.finditer(uri)] if "@" in uri else []
    found += [match[2] for match in _QUERY.finditer(uri)]
    try:
        parts = urlsplit(uri)
        found += [parts.password or ""]
        found += [value for name, value in parse_qsl(parts.query) if re.fullmatch(_NAMES, name, re.IGNORECASE)]
    except ValueError:  # Python cannot parse it as a URI; the patterns above still apply
        pass
    return [secret for secret in found if secret and secret != MASK]


class RedactedStream:
    """A wrapper of a text stream that redacts what is written to it. All other attributes are those of the stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Redact a text and write it. Return the length of the text before redaction."""
        self._stream.write(redact(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Redact several lines and write them."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def redacted_output() -> Iterator[None]:
    """Redact everything that this process prints to standard output and standard error inside the block."""
    plain = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, RedactedStream(stream)) if stream is not None else stream for stream in plain)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = plain
