"""Tables of interchangeable pieces, such as feedback modes and tasks, that are found by name.

A piece is a module of this package or an entry point of another installed distribution. To add a piece here, add a module: the
module's name is the name of the piece, and one of its attributes holds the piece. Another distribution adds a piece by
declaring an entry point, without changing this package.
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
    """A mapping from names to the pieces of one package and one group of entry points.

    A piece is loaded when it is first looked up. Iterating over the names loads none. An unknown name raises KeyError.
    """

    def __init__(self, package: str, attribute: str, *, group: str) -> None:
        """Set up the table without loading anything.

        Args:
            package: the package whose modules hold the pieces. Modules whose names begin with an underscore are skipped.
            attribute: the attribute of each module that holds the piece.
            group: the group of entry points through which other distributions add pieces.
        """
        self._package, self._attribute, self._group = package, attribute, group
        self._loaded: dict[str, P] = {}

    @cached_property
    def _modules(self) -> list[str]:
        path = import_module(self._package).__path__
        return sorted(m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_"))

    @cached_property
    def foreign(self) -> dict[str, EntryPoint]:
        """The pieces of other distributions, as entry points by name. They cannot replace a piece of this package."""
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
        """Return the folders where other distributions may keep the YAML files of their pieces.

        Each is the subfolder `conf` of an entry point's top-level package. It need not exist.
        """
        roots = dict.fromkeys(point.module.partition(".")[0] for point in self.foreign.values())
        specs = [find_spec(root) for root in roots]
        return [f"{place}/conf" for spec in specs if spec for place in spec.submodule_search_locations or ()]

    def module(self, name: str) -> str:
        """Return the dotted name of the module that defines a piece."""
        return self.foreign[name].module if name in self.foreign else f"{self._package}.{name}"

    def version(self, name: str) -> str | None:
        """Return the name and version of the distribution that a piece comes from; None for a piece of this package."""
        distribution = self.foreign[name].dist if name in self.foreign else None
        return f"{distribution.name} {distribution.version}" if distribution is not None else None
