"""Passwords and tokens never reach a file or a screen: whatever is written or printed is redacted first."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

MASK = "***"
SHORTEST = 4  # a shorter secret is masked inside URIs alone: elsewhere it would turn up by chance in numbers and words
_NAMES = r"[\w.-]*(?:password|passwd|passphrase|pwd|pass|token|secret|api_?key|access_?key|credentials?)"

# scheme://user:PASSWORD@, as far as the last @ of the word: a password that was not percent-encoded may hold any of :/@?
# A scheme begins where a word begins, and a password ends some time: else a long word would be gone through from each letter.
_USERINFO = re.compile(r"((?<![\w+.-])[\w+.-]+://[^\s:/@?#'\"]*):([^\s'\"]{0,4096})@")
# https://TOKEN@host: the user of a web address is often a token.
_WEB_USER = re.compile(r"(https?://)([^\s:/@?#'\"]+)@")
_QUERY = re.compile(rf"([?&;\s](?:{_NAMES})=)([^&;\s'\"]+)", re.IGNORECASE)
_remembered: set[str] = set()


def redact(text: str) -> str:
    """Return text with every password and token in it replaced by `***`.

    Masked are the passwords of URIs, query parameters that are named like secrets, and everything that `remember_secrets_of`
    was told.
    """
    for secret in sorted(_remembered, key=len, reverse=True):
        text = text.replace(secret, MASK)
    if "://" in text and "@" in text:
        text = _USERINFO.sub(rf"\1:{MASK}@", text)
        text = _WEB_USER.sub(rf"\1{MASK}@", text)
    return _QUERY.sub(rf"\1{MASK}", text) if "=" in text else text


def redacted(value: Any) -> Any:
    """Return a value of JSON's kinds, nested or not, with every text in it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {name: redacted(member) for name, member in value.items()}
    return [redacted(member) for member in value] if isinstance(value, (list, tuple)) else value


def remember_secrets_of(uri: str) -> None:
    """Have `redact` mask the secrets of a URI wherever they turn up, percent-encoded or not."""
    for secret in _secrets_in(uri):
        _remember(secret)


def _remember(secret: str) -> None:
    plain = unquote(secret)
    for form in {secret, plain, quote(secret), quote(plain), quote(plain, safe=""), quote_plus(plain)}:
        if len(form) >= SHORTEST:
            _remembered.add(form)


def remember_secrets_of_the_process() -> None:
    """Have `redact` mask the secrets of the command line, and those that the environment holds for MLflow and for databases."""
    for argument in sys.argv[1:]:
        remember_secrets_of(argument)
    for name, value in os.environ.items():
        if "://" in value:
            remember_secrets_of(value)
        elif re.fullmatch(r"(PG|MYSQL_|MLFLOW_|AWS_|AZURE_|DATABRICKS_)" + _NAMES, name, re.IGNORECASE):
            _remember(value)


def has_secrets(uri: str) -> bool:
    """Whether a URI holds a password or a token."""
    return bool(_secrets_in(uri))


def _secrets_in(uri: str) -> list[str]:
    found = [match[2] for pattern in (_USERINFO, _WEB_USER) for match in pattern.finditer(uri)] if "@" in uri else []
    found += [match[2] for match in _QUERY.finditer(uri)]
    try:
        parts = urlsplit(uri)
        found += [parts.password or ""]
        found += [value for name, value in parse_qsl(parts.query) if re.fullmatch(_NAMES, name, re.IGNORECASE)]
    except ValueError:  # no URI that Python can read; the patterns have seen it
        pass
    return [secret for secret in found if secret and secret != MASK]


class RedactedStream:
    """A text stream that redacts what is written to it; everything else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write redacted text. Returns the length of the text that was given."""
        self._stream.write(redact(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write redacted lines."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def redacted_output() -> Iterator[None]:
    """Have whatever this process prints inside the block redacted."""
    plain = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, RedactedStream(stream)) if stream is not None else stream for stream in plain)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = plain
