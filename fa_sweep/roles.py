"""The role of each setting, which decides whether it is part of a run's id and whether runs in one stack must share it.

The dataclass field of a setting states the role as metadata: `lr: float = field(metadata=FREE)`. A setting without a role of
its own has the role of its group. A group without a role is scientific.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, cast


class Role(StrEnum):
    """What a setting influences."""

    SCIENTIFIC = "scientific"
    """Influences the results of a run. All runs of one stack have the same value."""
    FREE = "free"
    """Influences the results of a run. Runs of one stack may have different values."""
    OBSERVING = "observing"
    """Decides how long a run is trained and when it is evaluated, but does not change its weights up to any step."""
    JUDGING = "judging"
    """Decides how the outcome of a run is judged from its results, but does not change the results."""
    PROPOSING = "proposing"
    """Supplies the value of another setting. Only the value of that other setting influences the results."""
    COMPUTING = "computing"
    """Decides how the results are computed, but does not change them. All runs of one stack have the same value."""
    LOCATION = "location"
    """Says where data are stored. Another setting, the hash of their content, identifies the data."""
    APPLICATION = "application"
    """Concerns the command and not its runs."""


FREE, OBSERVING, JUDGING, PROPOSING, COMPUTING, LOCATION, APPLICATION = (
    MappingProxyType({"role": role})
    for role in (Role.FREE, Role.OBSERVING, Role.JUDGING, Role.PROPOSING, Role.COMPUTING, Role.LOCATION, Role.APPLICATION)
)


def added(neutral: Any, role: Role = Role.SCIENTIFIC) -> Mapping[str, Any]:
    """Return the metadata of a setting that was added when there were runs without it.

    With the neutral value, a run has the results and the id that it had before. Older records, which lack the setting, get
    this value.

    Args:
        neutral: the value with which everything is as it was without the setting.
        role: the setting's role.

    Example:
        validation: int = field(metadata=added(0))
    """
    return MappingProxyType({"role": role, "neutral": neutral})


IN_RUN_ID = frozenset({Role.SCIENTIFIC, Role.FREE, Role.OBSERVING})
"""Roles of the settings that a run's results depend on. The run's id is a hash of these settings, among other things."""
IN_JOB_ID = frozenset({Role.JUDGING, Role.PROPOSING})
"""Roles of the settings that a job's id depends on in addition to its run's id."""
SHARED_IN_STACK = frozenset({Role.SCIENTIFIC, Role.OBSERVING, Role.COMPUTING, Role.LOCATION})
"""Roles of the settings that must be equal for two runs to be trained in one stack."""


@cache
def own_roles(schema: type, group: Role = Role.SCIENTIFIC) -> Mapping[str, Role]:
    """Return the role of each field of a dataclass, by name. Fields of nested dataclasses are not included.

    Args:
        schema: the dataclass.
        group: the role of each field that does not state one.
    """
    return {each.name: each.metadata.get("role", group) for each in fields(schema)}


@cache
def neutrals(schema: type) -> Mapping[str, Any]:
    """Return the neutral values of a dataclass's own fields that have one (see `added`), by name."""
    return {each.name: each.metadata["neutral"] for each in fields(schema) if "neutral" in each.metadata}


def names_with(schema: type, *roles: Role) -> tuple[str, ...]:
    """Return the names of a dataclass's own fields that have one of the given roles, in the order of the fields."""
    return tuple(name for name, role in own_roles(schema).items() if role in roles)


def roles_of(settings: Any) -> dict[str, Role]:
    """Return the role of every setting of a dataclass and its nested groups, by dotted name.

    Args:
        settings: an instance of the dataclass, such as a `RunConfig`.
    """
    return dict(_roles_of(settings, "", Role.SCIENTIFIC))


def at_neutral(settings: Any, path: str = "") -> Iterator[str]:
    """Yield the dotted names of all settings, in nested groups too, that have their neutral value (see `added`).

    Args:
        settings: an instance of a dataclass.
        path: what to put before each name.
    """
    neutral = neutrals(cast(Hashable, type(settings)))
    for name, value in vars(settings).items():
        if is_dataclass(value):
            yield from at_neutral(value, f"{path}{name}.")
        elif name in neutral and value == neutral[name]:
            yield f"{path}{name}"


def _roles_of(settings: Any, path: str, group: Role) -> Iterator[tuple[str, Role]]:
    for name, role in own_roles(cast(Hashable, type(settings)), group).items():
        value = getattr(settings, name)
        if is_dataclass(value):
            yield from _roles_of(value, f"{path}{name}.", role)
        else:
            yield f"{path}{name}", role
