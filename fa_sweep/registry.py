"""Tables of interchangeable pieces: a piece is a module of a package, or an entry point of an installed distribution.

A module's name is the piece's name, and the attribute that the table names is the piece: to add one is to add a file. A user's
own distribution adds one by an entry point, without touching this package.
"""

import pkgutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Generic, TypeVar

P = TypeVar("P")


class Pieces(Mapping[str, P], Generic[P]):
    """The pieces of one package and one entry-point group, loaded when asked for; iteration knows names without loading."""

    def __init__(self, package: str, attribute: str, *, group: str) -> None:
        """Make a table.

        Args:
            package: the package whose modules are the pieces; modules that begin with an underscore are none.
            attribute: the name of the piece in its module.
            group: the group of entry points by which other distributions add pieces.
        """
        self._package, self._attribute, self._group = package, attribute, group
        self._loaded: dict[str, P] = {}

    @cached_property
    def _modules(self) -> list[str]:
        path = import_module(self._package).__path__
        return sorted(m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_"))

    @cached_property
    def foreign(self) -> dict[str, EntryPoint]:
        """The entry points of other distributions; a name of our own cannot be taken."""
        return {point.name: point for point in entry_points(group=self._group) if point.name not in self._modules}

    def __getitem__(self, name: str) -> P:
        if name not in self._loaded:
            if name in self._modules:
                self._loaded[name] = getattr(import_module(f"{self._package}.{name}"), self._attribute)
            elif name in self.foreign:
                self._loaded[name] = self.foreign[name].load()
            else:
                raise KeyError(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        yield from (*self._modules, *sorted(self.foreign))

    def __len__(self) -> int:
        return len(self._modules) + len(self.foreign)

    def folders(self) -> list[str]:
        """Return where the distributions of pieces from elsewhere may keep their configurations: PACKAGE/conf."""
        roots = dict.fromkeys(point.module.partition(".")[0] for point in self.foreign.values())
        specs = [find_spec(root) for root in roots]
        return [f"{place}/conf" for spec in specs if spec for place in spec.submodule_search_locations or ()]

    def module(self, name: str) -> str:
        """Return the name of the module that a piece lies in."""
        return self.foreign[name].module if name in self.foreign else f"{self._package}.{name}"

    def version(self, name: str) -> str | None:
        """Return distribution and version of a piece from elsewhere, None for one of our own."""
        distribution = self.foreign[name].dist if name in self.foreign else None
        return f"{distribution.name} {distribution.version}" if distribution is not None else None
