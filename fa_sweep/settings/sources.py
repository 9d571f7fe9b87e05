"""Finds the source code that a run's results depend on and that differs from the released code.

The manifest, `sources.json`, lists the modules of a release that results depend on, each with its SHA-256 and the modules that
it imports. The search follows import statements, from the engine and from the run's feedback mode and task. It skips installed
distributions, except those that define the mode or the task. If a module is missing from the manifest or its content differs,
its SHA-256 becomes part of the run's id. Code that is reached in another way (`exec`, `importlib`, data files that a module
reads) is not noticed.
"""

import ast
import hashlib
import json
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import TypedDict

PACKAGE = __name__.partition(".")[0]
FOLDER = Path(__file__).resolve().parent.parent  # the folder of the package
MANIFEST = Path(__file__).with_name("sources.json")
ENGINE = f"{PACKAGE}.engine.training"  # every run's results depend on what it imports; it imports no mode or task
COMPILED = f"{PACKAGE}.engine.compiled"
# Modules that the engine imports but that do not affect results, such as the checks of settings and memory.
INDIFFERENT = frozenset(
    {
        PACKAGE,
        *(f"{PACKAGE}.{name}" for name in ("_typing", "checks", "errors", "registry")),
        *(f"{PACKAGE}.process{name}" for name in ("", ".resources", ".secrets")),
        *(f"{PACKAGE}.settings.{name}" for name in ("measures", "sources")),
    }
)

_roots: set[str] = set()  # top-level packages of the pieces that this process has used


class Listed(TypedDict):
    """The manifest's entry for one module: the SHA-256 of its source, and the modules that it imports."""

    sha256: str
    imports: list[str]


@cache
def manifest() -> Mapping[str, Listed]:
    """Return the manifest of the release: the entry of each module that results depend on, by the module's name."""
    values: dict[str, Listed] = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return values


@cache
def unreleased(*pieces: str) -> Mapping[str, str]:
    """Return the modules that the results of runs with these pieces depend on and that differ from the released code.

    The result is cached, because the code that this process has loaded is what counts, even if the files change later.

    Args:
        pieces: the module names of the feedback mode, the task and, if it is used, the compiled engine.

    Returns:
        The SHA-256 of each such module, by name. Empty if all code is as it was released.
    """
    return {name: sha for root in (ENGINE, *pieces) for name, sha in _unreleased_from(root).items()}


@cache
def _unreleased_from(root: str) -> dict[str, str]:
    """Return the SHA-256, by name, of the modules that differ from the released code, among `root` and all that it imports."""
    top = root.partition(".")[0]
    _roots.add(top)
    found: dict[str, str] = {}
    seen, waiting = {root}, [root]
    while waiting:
        name = waiting.pop()
        path = source_of(name)
        # Modules of a piece's own distribution are checked even if it is installed, because its author may change the code
        # without changing the version.
        if path is None or name in INDIFFERENT or (name.partition(".")[0] not in (PACKAGE, top) and _is_installed(path)):
            continue
        sha, imports = described(path, name)
        if (listed := manifest().get(name)) is not None and listed["sha256"] == sha:
            imports = listed["imports"]
        else:
            found[name] = sha
        # This search does not enter the compiled engine, because only some runs use it. For those runs, `unreleased` gets it as
        # a piece.
        new = [other for other in imports if other not in seen and other != COMPILED]
        seen.update(new)
        waiting += new
    return found


def described(path: Path, name: str) -> tuple[str, list[str]]:
    """Describe one module by its source.

    Args:
        path: the file of the module.
        name: the dotted name of the module.

    Returns:
        The SHA-256 of the source, which is the same for Unix and Windows line ends, and the sorted names of the modules that it
        imports. There are no names if the file is not valid Python source.
    """
    content = path.read_bytes().replace(b"\r\n", b"\n")
    sha = hashlib.sha256(content).hexdigest()
    if (listed := manifest().get(name)) is not None and listed["sha256"] == sha:
        return sha, listed["imports"]  # takes a fiftieth of the time of parsing
    try:
        nodes = list(ast.walk(ast.parse(content)))
    except (SyntaxError, ValueError, RecursionError):  # an extension module, or invalid source
        return sha, []
    return sha, sorted(set(_imported(nodes, name if path.stem == "__init__" else name.rpartition(".")[0])))


def _imported(nodes: Iterable[ast.AST], package: str) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            try:
                module = resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:
                continue
            yield from _with_parents(module)
            members = [f"{module}.{alias.name}" for alias in node.names if alias.name != "*"]
            yield from (member for member in members if source_of(member) is not None)


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


@cache
def source_of(name: str) -> Path | None:
    """Return the file of a module. None if it is built in, part of the standard library, or not found."""
    if name.partition(".")[0] in sys.stdlib_module_names:
        return None
    try:
        spec = sys.modules[name].__spec__ if name in sys.modules else find_spec(name)
        origin = spec.origin if spec is not None else None
    except (ImportError, AttributeError, ValueError):
        return None
    return Path(origin) if origin and os.path.isfile(origin) else None


@cache
def _installed() -> tuple[str, ...]:
    places = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    places |= {place for place in sys.path if os.path.basename(place) in ("site-packages", "dist-packages")}
    return tuple(f"{os.path.realpath(place)}{os.sep}" for place in places)


def _is_installed(path: Path) -> bool:
    return os.path.realpath(path).startswith(_installed())


def is_somebodys(path: str) -> bool:
    """Whether a file of code is the user's own.

    Files of Python, of this package as it was released, and of installed distributions are not the user's own. Distributions
    that provide pieces in use are an exception: their files count as the user's own, even if they are installed.

    Args:
        path: the file, as a traceback names it.
    """
    if not os.path.isfile(path):  # <string>, <frozen importlib>
        return False
    whole = Path(path).resolve()
    if whole.is_relative_to(FOLDER):
        name = ".".join((PACKAGE, *whole.relative_to(FOLDER).with_suffix("").parts)).removesuffix(".__init__")
        is_piece = len(name.split(".")) == 3 and name.split(".")[1] in ("feedback", "tasks")
        return (is_piece or name in manifest()) and name in _unreleased_from(name)
    of_pieces = {source_of(root) for root in _roots - {PACKAGE}}
    if any(source is not None and whole.is_relative_to(source.resolve().parent) for source in of_pieces if source):
        return True
    return not _is_installed(whole) and not whole.is_relative_to(FOLDER.parent / "hydra_plugins")
