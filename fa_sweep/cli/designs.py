"""The design of a sweep: which combinations of settings it runs.

A design is a union of grids. A grid is a cross product: the overrides of the command line, the sweep of a preset, and one
member of `hydra.sweeper.grids`, crossed. Points of `hydra.sweeper.zip` are grids in which every setting has one value. Presets
that are swept over, as in `+experiment=a,b`, contribute the grids of each.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from fa_sweep.checks import shown
from fa_sweep.cli.composition import Candidate
from fa_sweep.cli.lines import MOST_JOBS, Lines, key_of, parse_jobs, refuse_more
from fa_sweep.cli.refusals import parsed
from fa_sweep.errors import ConfigError
from fa_sweep.results.query import Query, parse
from fa_sweep.settings.identity import run_settings
from fa_sweep.settings.messages import kind_of
from fa_sweep.settings.schema import GROUPS

GRIDS, ZIP, EXCLUDE = (f"hydra.sweeper.{name}" for name in ("grids", "zip", "exclude"))
_EXAMPLE = "[{feedback:symmetric},{feedback:random,train.lr:'0.01,0.03'}]"


@dataclass(frozen=True)
class Design:
    """The settings of `hydra.sweeper`.

    Attributes:
        params: The sweep of a preset: the values of each setting, as on the command line. Overrides take precedence.
        grids: Each maps settings to values. A text may have several values, as on the command line. A list is one value of a
            setting that takes a list, and several values of any other setting.
        zip: Maps settings to equally many values. The n-th values belong together.
        exclude: Conditions in the language of queries. A combination that meets one of them is left out.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    grids: Sequence[Mapping[str, Any]] = ()
    zip: Mapping[str, Any] = field(default_factory=dict)
    exclude: Sequence[str] = ()

    @classmethod
    def of(cls, sweeper: Any) -> "Design":
        """Read the design from a sweeper's settings, as a mapping, a configuration or an object with these attributes.

        Raises:
            ConfigError: A setting is of the wrong kind.
        """
        given = {name: _plain(_member(sweeper, name)) for name in ("params", "grids", "zip", "exclude")}
        grids, exclude = given["grids"] or [], given["exclude"] or []
        if not isinstance(grids, list | tuple) or not all(isinstance(grid, Mapping) and grid for grid in grids):
            raise ConfigError(f"{GRIDS} is {shown(grids)}; it must be a list of mappings, such as {_EXAMPLE}")
        if not isinstance(given["zip"] or {}, Mapping):
            raise ConfigError(
                f"{ZIP} is {shown(given['zip'])}; it must be a mapping, such as {{feedback:'random,direct',train.lr:'1,3'}}"
            )
        conditions = [exclude] if isinstance(exclude, str) else exclude
        if not isinstance(conditions, list | tuple) or not all(isinstance(condition, str) for condition in conditions):
            raise ConfigError(
                f"{EXCLUDE} is {shown(exclude)}; it must be a condition, or a list of them, such as "
                "\"feedback == 'direct' and train.lr > 0.1\""
            )
        return cls(given["params"] or {}, grids, given["zip"] or {}, conditions)

    @property
    def is_union(self) -> bool:
        """Whether it has grids or zipped settings."""
        return bool(self.grids or self.zip)


def _member(sweeper: Any, name: str) -> Any:
    return sweeper.get(name) if isinstance(sweeper, Mapping) or OmegaConf.is_config(sweeper) else getattr(sweeper, name, None)


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


@dataclass(frozen=True)
class Grid:
    """One grid of a design.

    Attributes:
        lines: The overrides of its jobs.
        exclude: Conditions under which a combination is left out.
    """

    lines: Lines
    exclude: tuple[Query, ...] = ()


def grids_of(
    arguments: Sequence[str],
    design: Design,
    loader: Any,
    design_of_preset: Callable[[str], Design],
    *,
    most: int = MOST_JOBS,
) -> list[Grid]:
    """Return the grids of a sweep, at least one.

    Args:
        arguments: The overrides of the command line.
        design: The settings of the sweeper.
        loader: Hydra's ConfigLoader, which knows the options of each group.
        design_of_preset: Returns the design of a preset, given its override. It is asked only if several presets are swept
            over; otherwise `design` has that of the preset.
        most: The largest number of jobs allowed.

    Raises:
        ConfigError: An override or a grid cannot be read, or there are more than `most` jobs.
    """
    parser = OverridesParser.create(config_loader=loader)
    found = []
    for words, its in _by_preset(arguments, design, parser, design_of_preset):
        conditions = tuple(parse(condition) for condition in its.exclude)
        for grid in _members(its, parser):
            key = next((key for key in map(key_of, words) if key in {key_of(word) for word in grid}), None)
            if key is not None:
                raise ConfigError(f"{key} is given by a grid and on the command line; give it in one place")
            taken = {key_of(word) for word in grid}
            swept = [word for word in _overrides(its.params) if key_of(word) not in taken]
            found.append(Grid(parse_jobs([*swept, *grid, *words], loader, most=most), conditions))
    refuse_more(sum(len(grid.lines) for grid in found), most, "the union of all grids")
    return found


def _by_preset(
    arguments: Sequence[str], design: Design, parser: OverridesParser, design_of_preset: Callable[[str], Design]
) -> Iterator[tuple[list[str], Design]]:
    """Yield the overrides and the design of each preset that is swept over. If none is, yield those that were given."""
    places = [n for n, word in enumerate(arguments) if key_of(word) == "experiment"]
    swept: Override | None = parsed(arguments[places[-1]], parser) if places else None
    if swept is None or not swept.is_sweep_override():
        yield list(arguments), design
        return
    for name in swept.sweep_string_iterator():
        word = f"{swept.get_key_element()}={name}"
        its = design_of_preset(word)
        if design.is_union and its.is_union:
            raise ConfigError(f"the preset {name} has grids of its own; leave out {GRIDS} and {ZIP}, or the preset")
        chosen = its if its.is_union else replace(its, grids=design.grids, zip=design.zip)
        whole = replace(chosen, exclude=(*its.exclude, *design.exclude))
        yield [word if n == places[-1] else other for n, other in enumerate(arguments) if n not in places[:-1]], whole


def _members(design: Design, parser: OverridesParser) -> Iterator[list[str]]:
    """Yield the overrides of each grid, crossed with the zipped points."""
    points = list(_points(design.zip, parser))
    for grid, point in product(design.grids or [{}], points):
        words = _overrides(grid)
        if twice := {key_of(word) for word in words} & {key_of(word) for word in point}:
            raise ConfigError(f"{sorted(twice)[0]} is given by {GRIDS} and by {ZIP}; give it in one place")
        yield [*words, *point]


def _points(zipped: Mapping[str, Any], parser: OverridesParser) -> Iterator[list[str]]:
    columns: dict[str, list[str]] = {}
    for word in _overrides(zipped):
        override = parsed(word, parser)
        key = override.get_key_element()
        swept = override.is_sweep_override() and override.is_discrete_sweep()
        columns[key] = [f"{key}={v}" for v in override.sweep_string_iterator()] if swept else [word]
    lengths = {key: len(values) for key, values in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{key} has {n}" for key, n in lengths.items())
        raise ConfigError(f"{ZIP}: {said} values; zipped settings need equally many values")
    yield from ([list(point) for point in zip(*columns.values(), strict=True)] if columns else [[]])


def _overrides(settings: Mapping[str, Any]) -> list[str]:
    """Return a grid's settings as overrides of the command line."""
    for name, value in settings.items():
        if str(name).lstrip("+~").partition(".")[0].partition("/")[0] == "hydra":
            raise ConfigError(f"a grid sets {name}, which concerns the whole command; give it on the command line")
        if value is None and str(name).lstrip("+~") in ("experiment", *GROUPS):
            raise ConfigError(f"a grid sets {name} to null; give it one of its options")
    return [f"{name}={_value(str(name), value)}" for name, value in settings.items()]


def _value(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        raise ConfigError(f"a grid sets {name} to a mapping; give its settings one by one, such as {name}.NAME: VALUE")
    if not isinstance(value, list | tuple):
        return _text(value)
    one = "list" in str(kind_of(name.lstrip("+"))) and not any(isinstance(member, list | tuple) for member in value)
    if not value:
        raise ConfigError(f"a grid sets {name} to an empty list; give it at least one value")
    return _text(value) if one else ",".join(map(_text, value))


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_text, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return value if isinstance(value, str) else repr(value)


def excluded(candidates: Iterable[Candidate], conditions: Sequence[Query]) -> list[bool]:
    """Return for each candidate whether it meets one of the conditions.

    A condition may name every setting of a run, and the groups of settings (`feedback`, `init`, `task`).

    Raises:
        ConfigError: A condition names something that no candidate has.
    """
    known: dict[str, None] = {}
    decided: dict[int, bool] = {}
    found = []
    by_seed = any("seed" in condition.names for condition in conditions)
    for candidate in candidates:
        key = id(candidate.chosen)
        if by_seed or key not in decided:
            row = {"feedback": candidate.run.feedback.mode, "task": candidate.run.task.name}
            row |= {"init": candidate.run.init.distribution, **run_settings(candidate.run), **candidate.chosen}
            known |= dict.fromkeys(row)
            decided[key] = any(condition.selects(row) for condition in conditions)
        found.append(decided[key])
    for condition in conditions:
        condition.check_names(known)
    return found
