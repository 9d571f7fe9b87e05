"""Compose the settings of a sweep's jobs, with one call of Hydra per combination of the overrides that only Hydra can apply.

A plain override (`train.lr=0.1`) only sets a value, so it is applied to a copy of a composed configuration. Hydra itself
handles all other overrides (groups, `+`, `++`, `~`, packages, `hydra.*`). A test compares the results with Hydra's own for many
lists of overrides.
"""

import copy
import json
import pickle
import re
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, ValueType
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from fa_sweep.cli.choices import Choices
from fa_sweep.cli.configuration import resolve
from fa_sweep.roles import Role, names_with
from fa_sweep.settings.build import settings_of
from fa_sweep.settings.schema import AppConfig, RunConfig, run_alone, with_seed
from fa_sweep.sweeping.record import group_of

# Settings of the command, not of a run. None of them changes a run's results, and a tracking URI may hold a password.
NOT_PART_OF_A_RUN = ("hydra", *names_with(AppConfig, Role.APPLICATION))


_SEED = re.compile(r"seed=(0|[1-9][0-9]{0,17})")  # Hydra and Python read whole numbers below 10^18 alike


class Candidate(NamedTuple):
    """A job that a sweep asks for, before it gets a name and an id.

    `run` holds its settings. `chosen` maps each key that its overrides set to the value or option, except for the seed.
    `overrides` lacks the overrides that concern only the command.
    """

    run: RunConfig
    chosen: dict[str, Any]
    overrides: tuple[str, ...]


class Composer:
    """Composes the jobs of one Hydra configuration and caches what they share."""

    def __init__(self, loader: Any, master: DictConfig) -> None:
        """Compose with Hydra's ConfigLoader `loader`; `master` is the composed configuration of the sweep as a whole."""
        self._loader, self._master = loader, master
        self._parser = OverridesParser.create(config_loader=loader)
        self._parsed: dict[str, _Parsed] = {}
        self._groups: dict[str, bool] = {}
        self._bases: dict[tuple[str, ...], _Base] = {}
        self._shared: dict[Any, Any] = {}
        self._choices = Choices(loader)
        self._any_seed: dict[tuple[Sequence[str], Sequence[str]], _AnySeed | None] = {}
        self.applications: list[AppConfig] = []  # checked settings; jobs that differ only in their seed may share an entry

    def candidate(self, overrides: Sequence[str], place: int | None = None) -> Candidate:
        """Return one job of a sweep. A job that differs from an earlier one only in its seed costs next to nothing.

        Args:
            overrides: The job's overrides.
            place: The index of the override that sets the seed, the same in all jobs; None if there is not exactly one.

        Raises:
            ConfigError: The settings cannot be used.
            HydraException: Hydra cannot compose them.
            OmegaConfBaseException: A value is missing, or an interpolation cannot be resolved.
        """
        seed = None if place is None else _SEED.fullmatch(overrides[place])
        if place is None or seed is None:
            return self._candidate(overrides)
        others = overrides[:place], overrides[place + 1 :]
        if others not in self._any_seed:
            first = self._candidate(overrides)
            structural, _ = self._split(overrides)
            # A setting that refers to the seed, in a preset or on the command line, has another value for each seed.
            # The braces are escaped where a sweep has written the override anew.
            refers = any("${" in text.replace("\\", "") for text in overrides)
            follows = refers or self._base(structural).is_referred_to(["seed"])
            public = [n for n, text in enumerate(overrides) if is_public(text)]
            self._any_seed[others] = None if follows else _AnySeed(first.run, first.chosen, public)
            return first
        known = self._any_seed[others]
        if known is None:
            return self._candidate(overrides)
        return Candidate(with_seed(known.run, int(seed[1])), known.chosen, tuple([overrides[n] for n in known.public]))

    def _candidate(self, overrides: Sequence[str]) -> Candidate:
        app = self.settings(overrides)
        self.applications.append(app)
        chosen: dict[str, Any] = {}
        for override in overrides:
            found = self.factor(override)
            if found is not None and found[0] != "seed":
                key, option = found
                given = override.partition("=")[2]
                # A value that follows from another setting, such as the seed, is no choice of its own.
                follows = option is None and "${" in str(self._parse(override).override.value())
                chosen[key] = option if option is not None else given if follows else setting_of(app, key, given)
        return Candidate(run_alone(app), chosen, tuple(text for text in overrides if is_public(text)))

    def settings(self, overrides: Sequence[str]) -> AppConfig:
        """Return the checked settings of one job.

        Raises:
            ConfigError: The settings cannot be used.
            HydraException: Hydra cannot compose them.
            OmegaConfBaseException: A value is missing, or an interpolation cannot be resolved.
        """
        structural, plain = self._split(overrides)
        base = self._base(structural)
        resolved = base.with_values(plain)
        if resolved is not None:
            self._choices.check(resolved, base.choices)
            return settings_of(resolved, self._shared)
        return resolve(self.compose(overrides), lambda plain: self._choices.check(plain, base.choices))

    @property
    def defaults(self) -> tuple[AppConfig, Mapping[str, Any]]:
        """The settings without any override, and the option that each group then has."""
        return self.settings(()), self._base(()).choices

    def settings_of_sweeper(self, override: str) -> DictConfig:
        """Return the settings of the sweeper that a preset gives, by its override `experiment=NAME`."""
        sweeper: DictConfig = self._loader.load_sweep_config(self._master, [override]).hydra.sweeper
        return sweeper

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Return one job's configuration without its `hydra` node, equal to what Hydra's load_sweep_config composes."""
        structural, plain = self._split(overrides)
        config: DictConfig = pickle.loads(self._base(structural).pickled)  # noqa: S301  our own, from this process
        try:
            for o in plain:
                OmegaConf.update(config, o.override.key_or_group, o.override.value(), merge=True)
        except Exception:  # let Hydra say what is wrong with this job
            return self._load(overrides)
        return config

    def _split(self, overrides: Sequence[str]) -> tuple[tuple[str, ...], "list[_Parsed]"]:
        """Return the overrides that Hydra must handle, and those that only set a value."""
        parsed = [self._parse(override) for override in overrides]
        # If one override adds or removes a key and another sets a value at, above or below it, their order matters, so
        # Hydra must handle both.
        reshaped = [o.path for o in parsed if not o.plain and not o.chooses]
        plain = [o.plain and not any(_nested(o.path, path) for path in reshaped) for o in parsed]
        structural = tuple(text for text, is_plain in zip(overrides, plain, strict=True) if not is_plain)
        return structural, [o for o, is_plain in zip(parsed, plain, strict=True) if is_plain]

    def factor(self, override: str) -> tuple[str, str | None] | None:
        """Return which setting of a run an override changes.

        Returns:
            (group, option) if the override chooses an option of a group, (dotted key, None) if it sets a value, and None if
            it deletes a key or concerns only the command.
        """
        o = self._parse(override)
        if o.override.is_delete() or o.path[0] in NOT_PART_OF_A_RUN:
            return None
        if o.chooses:
            return o.override.get_key_element().lstrip("+"), o.override.get_value_element_as_str()
        return ".".join(o.path), None

    def _parse(self, text: str) -> "_Parsed":
        if text not in self._parsed:
            override = self._parser.parse_overrides([text])[0]
            chooses = self._is_group(override.key_or_group) and not isinstance(
                override.value(), dict
            )  # a mapping sets values in the group and does not choose an option
            path = override.key_or_group.replace("[", ".").replace("]", "").replace("/", ".").strip(".").split(".")
            plain = (
                override.type is OverrideType.CHANGE
                and override.value_type is ValueType.ELEMENT
                and override.package is None
                and path[0] != "hydra"
                and not chooses
            )
            self._parsed[text] = _Parsed(override, path, chooses, plain)
        return self._parsed[text]

    def _is_group(self, key: str) -> bool:
        if key not in self._groups:
            self._groups[key] = bool(self._loader.get_group_options(key, results_filter=None))
        return self._groups[key]

    def _base(self, overrides: tuple[str, ...]) -> "_Base":
        if overrides not in self._bases:
            config, choices = self._load_with_choices(overrides)
            self._bases[overrides] = _Base(config, choices)
        return self._bases[overrides]

    def _load(self, overrides: Sequence[str]) -> DictConfig:
        return self._load_with_choices(overrides)[0]

    def _load_with_choices(self, overrides: Sequence[str]) -> tuple[DictConfig, dict[str, Any]]:
        config: DictConfig = self._loader.load_sweep_config(self._master, list(overrides))
        choices = dict(config.hydra.runtime.choices)
        with open_dict(config):
            del config["hydra"]
        return config, choices


class _Parsed(NamedTuple):
    override: Override
    path: list[str]
    chooses: bool
    plain: bool


class _AnySeed(NamedTuple):
    """A candidate without its seed. `public` holds the indices of the overrides that concern the run."""

    run: RunConfig
    chosen: dict[str, Any]
    public: list[int]


class _Base:
    """One composed configuration. Values are set on copies of it."""

    def __init__(self, config: DictConfig, choices: Mapping[str, Any]) -> None:
        """Resolve `config` once. `choices` maps each group to its chosen option."""
        self.choices = choices
        self.pickled = pickle.dumps(config)
        raw = OmegaConf.to_container(config, resolve=False)
        self._references = re.findall(r"\$\{([^${}]*)", json.dumps(raw))
        try:
            self._resolved: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        except OmegaConfBaseException:
            self._resolved = None  # for example, a value is missing that each job's overrides supply

    def with_values(self, values: "Sequence[_Parsed]") -> dict[str, Any] | None:
        """Return the resolved settings with `values` set, or None if only OmegaConf can set them correctly.

        OmegaConf is needed if a value refers to another setting, if another setting refers to it, if the old or the new value
        is not a scalar, or if the key does not exist. Groups in which no value is set are shared, not copied.
        """
        resolved = copy.copy(self._resolved)
        for parsed in values:
            value = parsed.override.value()
            node: Any = resolved
            for name in parsed.path[:-1]:
                if not isinstance(node, dict):
                    return None
                node[name] = node = copy.copy(node.get(name))
            name = parsed.path[-1]
            if not isinstance(node, dict) or name not in node or isinstance(node[name], (dict, list)):
                return None
            if isinstance(value, (dict, list)) or "${" in str(value) or value == "???" or self.is_referred_to(parsed.path):
                return None
            node[name] = value
        return resolved if isinstance(resolved, dict) else None

    def is_referred_to(self, path: list[str]) -> bool:
        """Whether an interpolation may refer to a setting. In doubt the answer is yes: a wrong no would give wrong values."""
        for reference in self._references:
            names = [name for name in re.split(r"[^\w]+", reference) if name]
            if reference.startswith(".") or ":" in reference or "[" in reference:  # a relative path, a resolver or an index
                if set(names) & set(path):
                    return True
            elif _nested(names, path):
                return True
        return False


def _nested(a: list[str], b: list[str]) -> bool:
    """Whether two paths are equal, or one of them leads to a setting inside the other."""
    shared = min(len(a), len(b))
    return a[:shared] == b[:shared]


def is_seed(override: str) -> bool:
    """Whether an override sets the seed to a whole number from 0 on, with up to 18 digits."""
    return _SEED.fullmatch(override) is not None


def setting_of(app: AppConfig, key: str, given: str) -> Any:
    """Return the value of a dotted key, or the text `given` if the key names a whole group or no setting of the schema."""
    value: Any = app
    for name in key.split("."):
        value = getattr(value, name, app)
    return given if is_dataclass(value) else value


def is_public(override: str) -> bool:
    """Whether an override concerns the run itself, and not only the command.

    Only overrides that concern the run are stored with it. Others, such as a tracking URI, may hold a password.
    """
    return group_of(override) not in NOT_PART_OF_A_RUN
