"""Limits of MLflow's tables: how long texts may be, in characters, and which characters they may contain.

PostgreSQL refuses longer texts; SQLite stores texts of any length.
"""

import hashlib

RUN_NAME = 250
KEY = 250  # the name of a parameter, a metric or a tag
USER = 256
EXPERIMENT_NAME = 256
ARTIFACT_LOCATION = 256  # of an experiment
ARTIFACT_URI = 200  # of a run
DATASET_NAME = 500
DATASET_DIGEST = 36
# The tables take parameters and tags of up to 8,000 characters, but MLflow's client silently cuts tags after 5,000 and
# parameters after 6,000.
VALUE = 5000


def short(text: str, most: int) -> str:
    """Shorten a text to at most `most` characters.

    A text that is too long is cut, and a hash of the whole text is appended, so that different texts stay different.
    """
    if len(text) <= most:
        return text
    return f"{text[: most - 17]}~{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:16]}"


def clean(text: str) -> str:
    """Return a text that every database accepts: NUL characters and bytes that are not UTF-8 are written as escapes."""
    if text.isascii() and "\0" not in text:
        return text  # the fast path for nearly all texts
    return text.replace("\0", "\\x00").encode(errors="backslashreplace").decode()
