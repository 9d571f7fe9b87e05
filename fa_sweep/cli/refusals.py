"""Turn errors of Hydra, OmegaConf or our own into one line that names field, value and remedy, and into an exit status."""

import re
import shlex

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from fa_sweep.checks import did_you_mean, shown
from fa_sweep.cli.verbs import VERBS
from fa_sweep.errors import ConfigError
from fa_sweep.settings.messages import intended, is_text, kind_of, siblings, unknown_setting

_begun: list[bool] = []  # not empty once this command has begun to write

_LONGEST = 600  # characters that are kept of a message longer than four times this


def one_line(error: BaseException) -> str:
    """Return an error's message in one line.

    The message of an unexpected error begins with its class, because the error's own text may say little. Known errors of
    Hydra and OmegaConf are reworded so that they name field, value and remedy.
    """
    if isinstance(error, ConfigError):
        return _joined(str(error))
    if isinstance(error, MemoryError):
        return "there is not enough memory; take fewer runs, evaluations or units, or a smaller data set"
    if isinstance(error, RecursionError):
        return "a setting is nested too deeply, or refers to itself; take out a level"
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return f"unexpected {type(error).__name__}: {_joined(str(error))}; HYDRA_FULL_ERROR=1 shows where it comes from"
    text = "\n".join(str(part) for part in (error, error.__cause__) if part is not None)
    return _joined(
        _of_unknown_setting(text) or _of_sweep(text) or _of_value(error, text) or _of_option(text) or _as_it_is(error, text)
    )


def _joined(text: str) -> str:
    """Return a text as one line, shortened if it is very long."""
    line = " ".join(text.split()).encode("utf-8", "backslashreplace").decode()
    return line if len(line) <= 4 * _LONGEST else f"{line[:_LONGEST]} ..."


def _of_unknown_setting(text: str) -> str:
    """Return the message for a setting that does not exist, or "" for any other error."""
    unknown = re.search(r"Could not override '([^']+)'", text)
    missing = re.search(r"Key '([^']+)' (?:is not in struct|not in '\w+')", text)
    if not (unknown and missing):
        return ""
    path = unknown[1].split(".")
    # The override's key up to its first unknown name or, if its value is a mapping, the unknown name in that mapping.
    field = ".".join(path[: path.index(missing[1]) + 1]) if missing[1] in path else f"{unknown[1]}.{missing[1]}"
    given = re.search(r"use \+(.*)", text)
    if field.startswith("hydra."):
        return f"{field} is not a setting of Hydra, or not one of the launcher and sweeper chosen; leave it out"
    value = given[1].partition("=")[2] if given and field == unknown[1] else ""
    return str(unknown_setting(field, siblings(field), value)) + (f" (given: {shown(given[1])[1:-1]})" if given else "")


def _of_sweep(text: str) -> str:
    """Return the message for an override with several values and no -m, or "" for any other error."""
    given = re.search(r"(?:Ambiguous value for argument|Sweep parameters) '(.*?)'(?:\n| requires)", text, re.DOTALL)
    if not given:
        return ""
    key, _, value = given[1].partition("=")
    sweep = f"add -m to sweep over them: {shlex.join(['-m', given[1]])}"
    hint = kind_of(key.lstrip("+"))
    if listed := intended(hint, value) if "list" in str(hint) else "":
        return f"{given[1]}: did you mean {key}={listed}? If these are several values, {sweep}"
    if hint is str:
        return f"{given[1]} is several values; {sweep}; or, if it is one text, quote the value twice: {quoted(given[1])}"
    return f"{given[1]} is several values, for one run; {sweep}"


def _of_value(error: BaseException, text: str) -> str:
    """Return the message for a value that is missing or does not fit, or "" for any other error."""
    if isinstance(error, MissingMandatoryValue) and error.full_key:
        return f"{error.full_key} has no value; give it one: {error.full_key}=..."
    beyond = re.search(r"Error merging override (([\w.\[\]]+)[.\[]\d+\]?=.*)\s+list index out of range", text)
    if beyond:
        return f"{beyond[1]}: the list has fewer values; write it whole: {beyond[2]}=[10,10]"
    merging = re.search(r"Error merging override (hydra\.[^=\s]+)=(\S*)", text)
    if merging:
        said = " ".join(re.split(r"Error merging override \S+|\s+full_key:", text)[1].split())
        return f"{merging[1]} is {merging[2]}; Hydra cannot use that ({said}): leave it out"
    return ""


def _of_option(text: str) -> str:
    """Return the message for an unknown option of a configuration group, or "" for any other error."""
    option = re.search(r"Could not find '([^']+)'\s+Available options in '([^']+)':((?:\s+\S+)+?)\s*(?:Config search|$)", text)
    if not option:
        return ""
    group, name = option[2], option[1].rpartition("/")[2]
    return f"{group} is '{name}'; {did_you_mean(name, option[3].split())}choose one of {', '.join(option[3].split())}"


def _as_it_is(error: BaseException, text: str) -> str:
    """Return the error's own message, without links and hints that do not help here."""
    text = re.split(r"Config search path|Set the environment variable|\s+full_key:|See https?:", text)[0]
    # If the message does not name the setting, an attribute of the error may.
    about = getattr(error, "override", None) or getattr(error, "full_key", None)
    return " ".join([*([f"{about}:"] if about and str(about) not in text else []), *text.split()])


def parsed(text: str, parser: OverridesParser) -> Override:
    """Parse one override of a command line.

    Raises:
        ConfigError: The text is not a valid override. If quotes would make it valid, the message shows them.
    """
    try:
        return parser.parse_overrides([text])[0]
    except Exception as error:  # Hydra's parser raises many kinds of errors; a function in a value may raise any
        key, equals, _ = text.partition("=")
        if not equals or not re.fullmatch(r"[+~]{0,2}[\w./@:\[\]-]+", key):
            verbs = f", or begin with one of {', '.join(VERBS)}" if text.isidentifier() else ""
            meant = did_you_mean(text, VERBS) if verbs else ""
            raise ConfigError(f"{shown(text)} is not a setting; {meant}write NAME=VALUE, such as seed=3{verbs}") from error
        if not is_text(kind_of(key.lstrip("+~"))):
            raise ConfigError(f"{shown(text)[1:-1]}: {_slip(text) or f'the value cannot be read{_reason(error)}'}") from error
        remedy = f"quote the value twice, for the shell and for Hydra: {quoted(text)}"
        raise ConfigError(f"{shown(text)[1:-1]}: {remedy}") from error


def _slip(text: str) -> str:
    """Return what is wrong with an override if that is a common slip of typing; otherwise an empty string."""
    if text.endswith(","):
        return "a value is missing after the comma; write the values without spaces, such as seed=1,2"
    for opening, closing, name in (("(", ")", "parenthesis"), ("[", "]", "bracket"), ("{", "}", "brace")):
        if text.count(opening) > text.count(closing):
            return f"a closing {name} is missing"
        if text.count(opening) < text.count(closing):
            return f"an opening {name} is missing"
    return ""


def _reason(error: BaseException) -> str:
    said = [line for line in str(error).splitlines() if line.strip() and "override" not in line and "http" not in line]
    return f" ({_joined(said[0])[:200]})" if said and "LexerNoViable" not in said[0] else ""


def quoted(text: str) -> str:
    """Return KEY=VALUE quoted for the shell and for Hydra. Any value then reaches the program as one text."""
    key, _, value = text.partition("=")
    override = f"{key}={in_quotes(value)}"
    return f'"{override}"' if not re.search(r'[$`"\\!]', override) else shlex.quote(override)


def in_quotes(value: str) -> str:
    """Return a text in single quotes, escaped as Hydra expects."""
    from hydra.core.override_parser.types import Quote, QuotedString

    return QuotedString(value.strip("'\""), Quote.single).with_quotes()


def given(arguments: list[str]) -> str:
    """Return a command line for a message, quoted for the shell and shortened if it is long."""
    return shown(shlex.join(arguments))[1:-1]


def begin() -> None:
    """Record that the command writes from now on. An unexpected error then no longer counts as refused input."""
    _begun.append(True)


def begins_anew() -> None:
    """Record that a new command starts, which has not written yet. This process may have run others before."""
    _begun.clear()


def exit_status(error: Exception) -> int:
    """Return the exit status for an error.

    Returns:
        2 for a configuration error, and for any error before the command began to write; 1 for any other error.
    """
    expected = isinstance(error, ConfigError | HydraException | OmegaConfBaseException)
    return 2 if expected or not _begun else 1
