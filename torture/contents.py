"""Hostile contents: of any file (ANY), of a JSON file (JSON), and of a single JSON field (FIELDS)."""

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from typing import Any

DEPTH = 10_000
ANY = {
    "nothing": b"",
    "one byte": b"\0",
    "64 zeros": bytes(64),
    "bytes of no encoding": bytes(range(128, 256)) * 8,
    "a page of HTML": b"<!doctype html><title>502 Bad Gateway</title>\n",
    "a merge conflict": b"<<<<<<< HEAD\n{}\n=======\n[]\n>>>>>>> theirs\n",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "gzip": bytes.fromhex("1f8b0800000000000203ab0600c2c8d4d103000000"),
    "PAR1 alone": b"PAR1",
    "PAR1 twice": b"PAR1PAR1",
    "a Parquet footer of 4 GB": b"PAR1" + bytes(40) + b"\xff\xff\xff\xff" + b"PAR1",
}
JSON = {
    "null": b"null",
    "an empty list": b"[]",
    "a list of pairs": b'[["pid", 1]]',
    "a list of texts": b'["ab", "cd"]',
    "a number": b"5",
    "a fraction": b"1.5e300",
    "a huge number": b"1" + b"0" * 5000,
    "infinity": b"1e999",
    "NaN": b"NaN",
    "true": b"true",
    "a text": b'"sweep"',
    "an empty object": b"{}",
    "an object of something else": b'{"name": "package", "version": "1.0.0"}',
    "lists 10,000 deep": b"[" * DEPTH + b"]" * DEPTH,
    "objects 10,000 deep": b'{"a":' * DEPTH + b"1" + b"}" * DEPTH,
    "lists that never close": b"[" * (10 * DEPTH),
    "half an object": b'{"command": "python -m fa_sweep", "sing',
    "a trailing comma": b'{"single": false,}',
    "single quotes": b"{'single': False}",
    "a byte-order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"single": false}'.encode("utf-16"),
    "latin-1": '{"host": "b\u00fcro"}'.encode("latin-1"),
    "a lone surrogate": b'{"host": "\\ud800"}',
    "a NUL": b'{"host": "\\u0000"}\0',
    "two objects": b"{}{}",
    "a text of 30 MB": b'{"host": "' + b"x" * 30_000_000 + b'"}',
    "a million keys": b"{" + b",".join(b'"%d":0' % n for n in range(1_000_000)) + b"}",
}
FIELDS: Mapping[str, Any] = {
    "null": None,
    "true": True,
    "minus one": -1,
    "zero": 0,
    "a fraction": 0.5,
    "10^30": 10**30,
    "10^400": 10**400,
    "infinity": float("inf"),
    "NaN": float("nan"),
    "an empty text": "",
    "a text": "text",
    "a text with a NUL": "a\0b",
    "a path": "../../../etc/passwd",
    "a lone surrogate": "\ud800",
    "a number as a text": "12",
    "an empty list": [],
    "a list": [1, "a", None],
    "an empty object": {},
    "an object": {"a": {"b": [1]}},
}


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a record in which the checksum, if there is one, fits the other fields.

    The program computes the checksum as the SHA-256 of the other fields, written as JSON with sorted keys.
    """
    if "checksum" not in record:
        return dict(record)
    rest = {name: value for name, value in record.items() if name != "checksum"}
    return rest | {"checksum": hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()}


def altered(whole: dict[str, Any], chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield variants of a JSON object: in each, one field has a value from FIELDS or is left out.

    If the object has a checksum, about half of its variants get one that fits the change, because a reader must not rely on
    the checksum alone.

    Args:
        whole: the undamaged record.
        chance: decides which variants get a fitting checksum.

    Yields:
        A description of the change, and the content of the changed file.
    """
    for path in _paths(whole):
        for name, value in (*FIELDS.items(), ("missing", ...)):
            changed = _with(whole, path, value)
            fits = "checksum" in whole and path != ("checksum",) and chance.random() < 0.5
            yield (
                f"{'.'.join(path)} is {name}{', its checksum fits' if fits else ''}",
                encoded(sealed(changed) if fits else changed),
            )


def _paths(node: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in node.items():
        yield (*above, key)
        if isinstance(value, dict) and key != "environment":  # it has many similar members, so it is only replaced as a whole
            yield from _paths(value, (*above, key))


def _with(node: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    changed = dict(node)
    if len(path) > 1:
        changed[path[0]] = _with(node[path[0]], path[1:], value)
    elif value is ...:
        del changed[path[0]]
    else:
        changed[path[0]] = value
    return changed


def encoded(value: Mapping[str, Any]) -> bytes:
    """Return the content of the file that holds a record."""
    return json.dumps(value, indent=2).encode() + b"\n"
