"""What each setting is for. A run's id, what may share a stack, and what counts as part of a run all follow from it.

A setting states its role where it is declared, as metadata of its dataclass field: `lr: float = field(metadata=FREE)`. A
setting that states none has the role of the group that it belongs to, and a group that states none is scientific.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, cast


class Role(StrEnum):
    """What a setting is for."""

    SCIENTIFIC = "scientific"
    """Decides a run's numbers; runs of one stack have the same value."""
    FREE = "free"
    """Decides a run's numbers; runs of one stack may differ in it."""
    OBSERVING = "observing"
    """Decides how long a training is followed and when it is measured, and changes none of its weights."""
    JUDGING = "judging"
    """Decides which outcome a run's numbers amount to, and changes none of the numbers."""
    PROPOSING = "proposing"
    """Proposes the value of another setting, which is the one that counts."""
    COMPUTING = "computing"
    """Decides how the numbers are computed, and changes none of them; runs of one stack have the same value."""
    LOCATION = "location"
    """Says where data lie. What they are is another setting: the hash of their content."""
    APPLICATION = "application"
    """Concerns the command, and not the run."""


FREE, OBSERVING, JUDGING, PROPOSING, COMPUTING, LOCATION, APPLICATION = (
    MappingProxyType({"role": role})
    for role in (Role.FREE, Role.OBSERVING, Role.JUDGING, Role.PROPOSING, Role.COMPUTING, Role.LOCATION, Role.APPLICATION)
)

IN_RUN_ID = frozenset({Role.SCIENTIFIC, Role.FREE, Role.OBSERVING})
"""Settings that a run's numbers depend on."""
IN_JOB_ID = frozenset({Role.JUDGING, Role.PROPOSING})
"""Settings that tell two jobs of one run apart."""
SHARED_IN_STACK = frozenset({Role.SCIENTIFIC, Role.OBSERVING, Role.COMPUTING, Role.LOCATION})
"""Settings that must be equal for two runs to be trained in one stack."""


@cache
def own_roles(schema: type, group: Role = Role.SCIENTIFIC) -> Mapping[str, Role]:
    """Return the role of each field of a dataclass.

    Args:
        schema: the dataclass.
        group: the role of the group that it stands for.
    """
    return {each.name: each.metadata.get("role", group) for each in fields(schema)}


def names_with(schema: type, *roles: Role) -> tuple[str, ...]:
    """Return the names of a dataclass's own fields that have one of the roles, in their order."""
    return tuple(name for name, role in own_roles(schema).items() if role in roles)


def roles_of(settings: Any) -> dict[str, Role]:
    """Return the role of every setting of a dataclass, by dotted name; those of nested groups too."""
    return dict(_roles_of(settings, "", Role.SCIENTIFIC))


def _roles_of(settings: Any, path: str, group: Role) -> Iterator[tuple[str, Role]]:
    for name, role in own_roles(cast(Hashable, type(settings)), group).items():
        value = getattr(settings, name)
        if is_dataclass(value):
            yield from _roles_of(value, f"{path}{name}.", role)
        else:
            yield f"{path}{name}", role
