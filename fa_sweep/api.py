"""The Python interface: sweeps, their results, and queries over all runs. `fa_sweep` itself offers these names.

Everything has the same engine, ids, resume and refusals as the command line, and shares its ledger: the folder `outputs` in the
working folder. Calls from several threads take their turns. A call leaves no global state behind.
"""

import os
import re
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from fa_sweep.checks import shown
from fa_sweep.cli import own_conf
from fa_sweep.cli.arguments import check_arguments, with_design
from fa_sweep.cli.config_files import checked_files
from fa_sweep.cli.current import carried_out
from fa_sweep.cli.entry import job, plugins_visible
from fa_sweep.cli.grammar import own_grammar
from fa_sweep.cli.own_conf import hydra_of_conf
from fa_sweep.cli.refusals import begins_anew, one_line
from fa_sweep.errors import ConfigError, FaSweepError, RunsFailed
from fa_sweep.process.notices import begin_command
from fa_sweep.process.secrets import redacted, redacted_output, remember_secrets_of, remember_secrets_of_the_process
from fa_sweep.results import rows
from fa_sweep.results.listing import listed
from fa_sweep.results.lock import LOCK
from fa_sweep.results.result import Result
from fa_sweep.results.selection import NEWEST, find
from fa_sweep.settings.designs import DECIDE, TUNE
from fa_sweep.settings.messages import is_text, kind_of
from fa_sweep.sweeping.executors.local import no_server_left
from fa_sweep.tracking.stores.connection import put_back

if TYPE_CHECKING:
    import pandas as pd

    from fa_sweep.results.plans import Plan

__all__ = ["compose", "decide", "load", "plan", "runs", "sweep", "sweeps", "tune"]
P = ParamSpec("P")
T = TypeVar("T")

_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)  # a text that Hydra reads as such without quotes, unless it is a constant
_DESIGN = ("grids", "zip", "exclude")
_CONSTANTS = ("null", "true", "false", "nan", "inf")


def _call(function: Callable[P, T]) -> Callable[P, T]:
    """Carry out a call as the command line carries out a command: one at a time, and with secrets masked in all output."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with LOCK:
            begin_command()
            begins_anew()
            remember_secrets_of_the_process()
            with redacted_output():
                try:
                    return function(*args, **kwargs)
                except FaSweepError as error:
                    error.args = tuple(redacted(each) for each in error.args)
                    error.__context__ = None  # it says the same, at length, and may hold a password
                    raise error from None
                finally:
                    put_back()

    return call


@_call
def tune(*words: str, **settings: Any) -> Result:
    """Choose settings for each group on tuning seeds, then compare the choices on fresh seeds.

        tune(feedback=["symmetric", "random"], seed=range(50), **{"train.lr": "logspace(0.001,0.1,5)", "tune.by": "accuracy"})

    Args:
        words: Overrides as on the command line.
        settings: As for `sweep`. The settings `tune` say which groups choose, by what, and on which seeds.

    Returns:
        The results on the fresh seeds. Its attribute `choices` has what each group chose.

    Raises:
        ConfigError: A setting cannot be used, or there is nothing to choose.
        CannotWrite: The ledger cannot be written. What was finished before is kept.
    """
    return _sweep(words, settings, TUNE)


@_call
def decide(*words: str, **settings: Any) -> Result:
    """Add seeds to a sweep until a rule allows it to stop. `seed` gives all seeds that it may take.

        decide(feedback=["symmetric", "random"], seed=range(500), **{"decide.rule": "decided", "decide.margin": 0.1})

    Args:
        words: Overrides as on the command line.
        settings: As for `sweep`. The settings `decide` say what the rule is.

    Returns:
        The results. Its attribute `looks` has what was known after each round of seeds.

    Raises:
        ConfigError: A setting cannot be used, or the rule does not fit the sweep.
        CannotWrite: The ledger cannot be written. What was finished before is kept.
    """
    return _sweep(words, settings, DECIDE)


@_call
def sweep(*words: str, **settings: Any) -> Result:
    """Train a sweep, or read it from the ledger as far as it is there already, and return its results.

        sweep(feedback=["symmetric", "random"], seed=range(50), **{"train.lr": [0.01, 0.03]})
        sweep("feedback=symmetric,random", "seed=range(50)", "train.lr=0.01,0.03")

    Args:
        words: Overrides as on the command line.
        settings: Values by the names of settings or groups. A list, tuple, range or array is several values to sweep over. For
            a setting that is itself a list, such as `model.hidden`, a list of lists is several values. `grids` is a list of
            mappings, the sweep being the union of these grids; `zip` is a mapping of settings to equally many values that
            belong together; `exclude` is a condition, or a list of them, for combinations to leave out. No report is written
            unless `report=True`.

    Returns:
        The results. If runs failed, `failures` has their errors, and a line on the standard error says so.

    Raises:
        ConfigError: A setting cannot be used. The message names the setting, its value and a remedy. Nothing is written.
        CannotWrite: The ledger cannot be written. What was finished before is kept.
    """
    return _sweep(words, settings, "")


def _sweep(words: Sequence[str], settings: Mapping[str, Any], design: str) -> Result:
    overrides = [word for word in words if word not in ("-m", "--multirun")]
    overrides += [_override(name, value) for name, value in settings.items()]
    for override in overrides:
        if not isinstance(override, str) or override.startswith("-"):
            raise ConfigError(
                f"{shown(override)} is no override; write NAME=VALUE (hydra.searchpath=[file://FOLDER] takes the place of "
                "--config-dir)"
            )
        remember_secrets_of(override)
    if design:
        overrides = with_design(design, overrides)
    if not any(_key(override) == "report" for override in overrides):
        overrides.append("report=false")
    with carried_out(["-m", *overrides], quiet=True) as command:
        try:
            _conduct(overrides)
        except RunsFailed as error:
            print(f"fa_sweep: {error}", file=sys.stderr)
    if not command.conducted:
        raise ConfigError("dry_run=true trains nothing, so there are no results; leave it out, or use the command line")
    return Result(command.conducted[-1:])  # tuning conducts another sweep before


def _conduct(overrides: Sequence[str]) -> None:
    """Conduct a sweep by the same steps as the command line."""
    with _refusals(), own_grammar(), checked_files(), plugins_visible(), no_server_left():
        check_arguments(overrides)
        with hydra_of_conf() as hydra:
            hydra.multirun("config", job, list(overrides), with_log_configuration=False)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn errors of Hydra, OmegaConf and argparse into a ConfigError of one line."""
    before = ArgumentParser.error
    ArgumentParser.error = _refuse  # type: ignore[assignment, method-assign]
    try:
        yield
    except FaSweepError:
        raise
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(one_line(error)) from error
    finally:
        ArgumentParser.error = before  # type: ignore[method-assign]


def _refuse(parser: ArgumentParser, message: str) -> NoReturn:
    raise ConfigError(message)


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _override(name: str, value: Any) -> str:
    """Return a keyword argument as an override of the command line."""
    key = f"+{name}" if name == "experiment" else f"hydra.sweeper.{name}" if name in _DESIGN else name
    value = _plain(value)
    if name == "exclude" and not all(isinstance(one, str) for one in (value if isinstance(value, list | tuple) else [value])):
        raise ConfigError(f"exclude is {shown(value)}; it must be a condition, or a list of them, such as 'train.lr > 0.1'")
    if name in _DESIGN:
        return f"{key}={_of_design(name, value)}"
    if isinstance(value, range):
        return f"{key}=range({value.start},{value.stop},{value.step})"
    if isinstance(value, Mapping):
        raise ConfigError(f"{name} is a mapping; give its settings one by one, such as **{{'{name}.NAME': VALUE}}")
    takes_list = "list" in str(kind_of(name))
    if isinstance(value, list | tuple) and not (takes_list and not any(isinstance(v, list | tuple) for v in value)):
        if not value:
            raise ConfigError(f"{name} is an empty list; give it at least one value")
        return f"{key}={','.join(_text(name, one) for one in value)}"
    return f"{key}={_text(name, value)}"


def _of_design(name: str, value: Any) -> str:
    """Return the value of a setting of the sweeper (see `fa_sweep.cli.designs.Design`) as the command line would give it."""
    if isinstance(value, Mapping):
        pairs = (_override(str(key), members) for key, members in value.items())
        return "{" + ",".join(f"{key}:{_quoted(text)}" for key, _, text in (pair.partition("=") for pair in pairs)) + "}"
    if isinstance(value, list | tuple):
        return f"[{','.join(_of_design(name, member) for member in value)}]"
    return "null" if value is None else _quoted(str(value))


def _quoted(text: str) -> str:
    return str(QuotedString(text, Quote.single).with_quotes())


def _text(name: str, value: Any) -> str:
    """Return one value as the command line would give it."""
    value = _plain(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return int.__repr__(value)  # of an enumeration too
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(_text(name, one) for one in value)}]"
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise ConfigError(f"{name} is {shown(value)}, a {type(value).__name__}; give a number, a text, or a list of these")
    text = str.__str__(value)
    is_constant = text.lower() in _CONSTANTS and is_text(kind_of(name))
    is_plain = _WORD.fullmatch(text) and not is_constant
    literal = text.replace("${", "\\${")  # OmegaConf would take it for another setting's name
    return text if is_plain else str(QuotedString(literal, Quote.single).with_quotes())


def _plain(value: Any) -> Any:
    """Return an array, or a number of NumPy, as one of Python."""
    return value.tolist() if hasattr(value, "tolist") and not isinstance(value, type) else value


compose = _call(own_conf.compose)


@_call
def load(*called: str | os.PathLike[str]) -> Result:
    """Return the results of one or several sweeps of the ledger.

    Args:
        called: For each sweep its id or any part of it that no other id has, its name, its folder, or "newest". Without any,
            the newest sweep.

    Raises:
        ConfigError: A word fits no sweep, or several.
    """
    for word in called:
        if not isinstance(word, str | os.PathLike):
            raise ConfigError(f"{shown(word)} is no sweep; give texts or paths, one by one: load('a', 'b')")
    return Result(find(called or (NEWEST,)))


@_call
def sweeps() -> "pd.DataFrame":
    """Return one row per sweep and single run of the ledger, newest first (see `fa_sweep.results.listing.Listed`)."""
    import pandas as pd

    return pd.DataFrame([vars(one) for one in listed()], columns=list(_columns()))


def _columns() -> Sequence[str]:
    from dataclasses import fields

    from fa_sweep.results.listing import Listed

    return [field.name for field in fields(Listed)]


@_call
def runs(query: str = "") -> "pd.DataFrame":
    """Return one row per finished run of the ledger that a query selects, with its settings, outcome and final metrics.

        runs("task.name == 'xor' and outcome == 'converged' and train.lr < 0.1")

    Args:
        query: The query; `fa_sweep.results.query` has its grammar. "" selects all runs.

    Raises:
        ConfigError: The query cannot be read, or has a name that no run has.
    """
    import pandas as pd

    if not isinstance(query, str):
        raise ConfigError(f'the query is {shown(query)}; it must be a text, such as "seed < 3"')
    found, names = rows.selected(query)
    return pd.DataFrame(found, columns=None if found else names)


@_call
def plan(
    *,
    fractions: Sequence[float] | None = None,
    discordance: float | None = None,
    half_width: float | None = None,
    fraction: float | None = None,
    margin: float | None = None,
    pilot: str | os.PathLike[str] | Result | None = None,
    reference: str | None = None,
    power: float | None = None,
    alpha: float | None = None,
    tests: int | None = None,
) -> "Plan":
    """Plan how many seeds a sweep needs. Printed, the plan says in words what it assumes.

        plan(fractions=[0.9, 0.7])                # to tell two fractions apart
        plan(half_width=0.1)                      # for an interval of a fraction
        plan(fractions=[0.8, 0.8], margin=0.1)    # to show that two fractions are equivalent
        plan(pilot="newest", power=0.9)           # to find again what a sweep has shown

    Args:
        fractions: The fractions of converged runs in two groups.
        discordance: The fraction of seeds at which only one of the two groups converges. By default, the two runs of a seed are
            taken to be independent.
        half_width: Plan for Wilson's interval of a fraction: half of its width from end to end.
        fraction: The true fraction, for `half_width` and `margin`. By default, the one that needs the most seeds.
        margin: Plan to show that two fractions differ by less than this, in place of telling them apart.
        pilot: A finished sweep: plan for each of its comparisons, with its fractions, times and final values.
        reference: The group of the pilot that every other group is compared with. By default as in `Result.compare`.
        power: The wanted probability that each test finds what is assumed. By default 0.8.
        alpha: The level of all tests together. By default 0.05.
        tests: The number of tests that share the level, by Bonferroni's correction. By default 1; with a pilot, the number of
            tests of convergence in its report.

    Returns:
        The plan, with `seeds`, `needs` (one entry per question) and `curve` (a frame of the power by the number of seeds).

    Raises:
        ConfigError: A value is impossible, the values do not go together, or nothing is asked.
    """
    from fa_sweep.decisions import ALPHA, POWER
    from fa_sweep.results import planning

    return planning.plan(
        fractions=fractions, discordance=discordance, half_width=half_width, fraction=fraction, margin=margin, pilot=pilot,
        reference=reference, power=POWER if power is None else power, alpha=ALPHA if alpha is None else alpha, tests=tests,
    )  # fmt: skip
