"""What MLflow's tables take: lengths of their columns, and characters. PostgreSQL refuses more, SQLite keeps anything."""

import hashlib

RUN_NAME = 250
KEY = 250  # of a parameter, a metric or a tag
USER = 256
EXPERIMENT_NAME = 256
ARTIFACT_LOCATION = 256  # of an experiment
ARTIFACT_URI = 200  # of a run
DATASET_NAME = 500
DATASET_DIGEST = 36
# A value of a parameter or a tag has 8,000 characters in the tables, but MLflow's client cuts tags beyond 5,000 and parameters
# beyond 6,000 in silence.
VALUE = 5000


def short(text: str, most: int) -> str:
    """Return a text of at most so many characters: its beginning and a hash of the whole, so that two stay apart."""
    if len(text) <= most:
        return text
    return f"{text[: most - 17]}~{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:16]}"


def clean(text: str) -> str:
    """Return a text that every database takes: without NUL, and with bytes that are no UTF-8 written as escapes."""
    if text.isascii() and "\0" not in text:
        return text  # nearly all
    return text.replace("\0", "\\x00").encode(errors="backslashreplace").decode()
