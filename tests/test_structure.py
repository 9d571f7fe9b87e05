"""Packages import each other in one order, heavy libraries load only when needed, and the wheel works in any folder."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator

import pytest
from support.places import ROOT
from support.waiting import PATIENCE

# The layers, lowest first. A module may import its own package and all packages in lower layers.
LAYERS = (
    ("_typing", "errors"),
    ("checks", "registry", "roles"),
    ("process",),
    ("numerics",),
    ("feedback", "tasks", "models"),
    ("settings",),
    ("engine",),
    ("sweeping",),
    ("tracking",),
    ("decisions",),
    ("report",),
    ("studies",),
    ("results",),
    ("cli",),
    ("api",),
    ("__main__",),
)
FLOOR = {name: number for number, layer in enumerate(LAYERS) for name in layer}
# The only packages that may import each library. Every package may import the standard library and NumPy.
ALLOWED = {
    "hydra": {"cli", "api"},
    "omegaconf": {"cli", "api"},
    "rich": {"cli"},
    "click": {"cli"},
    "optuna": {"cli"},
    "mlflow": {"tracking"},
    "sqlalchemy": {"tracking"},
    "alembic": {"tracking"},
    "psycopg": {"tracking"},
    "pandas": {"report", "studies", "results", "api"},
    "xarray": {"results"},
    "seaborn": {"report", "studies"},
    "matplotlib": {"report", "studies"},
    "markupsafe": {"report"},
    "jinja2": {"report", "studies"},
    "scipy": {"decisions", "report", "studies"},
    "pyarrow": {"sweeping"},
    "threadpoolctl": {"engine", "sweeping"},
    "numba": {"engine"},
    "yaml": {"cli"},
    "IPython": {"cli"},
    "sklearn": {"tasks"},
    "dask": {"sweeping"},
    "distributed": {"sweeping"},
    "submitit": {"sweeping"},
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Yield the dotted name and the syntax tree of every module of the package."""
    for path in sorted((ROOT / "fa_sweep").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> set[str]:
    """Return the dotted names that a syntax tree imports anywhere, except under TYPE_CHECKING."""
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names if node.module == "fa_sweep"}
    return found


def package_of(name: str) -> str:
    """Return the name in LAYERS that a module belongs to: a package of fa_sweep, or a module beside the packages."""
    return name.split(".")[1] if "." in name else ""


def upward(name: str, names: Iterable[str]) -> list[str]:
    """List the packages, other than its own, that a module imports from its own layer or a higher one."""
    own = package_of(name)
    others = {package_of(n) for n in names if n.startswith("fa_sweep.")} - {own, "__version__"}
    return [f"{name} imports {other}" for other in sorted(others) if FLOOR[other] >= FLOOR[own]]


def test_every_module_stands_on_a_floor():
    names = {package_of(name) for name, _ in modules()} - {""}
    assert names == set(FLOOR)


def test_nothing_imports_upward():
    assert [wrong for name, tree in modules() if name != "fa_sweep" for wrong in upward(name, imported(tree))] == []


def test_the_check_sees_an_import_upward():
    tree = ast.parse("def f():\n    from fa_sweep.cli.console import say\n    import fa_sweep.settings.schema")
    assert upward("fa_sweep.engine.stack", imported(tree)) == ["fa_sweep.engine.stack imports cli"]


def test_libraries_are_imported_in_their_packages_alone():
    wrong = []
    for name, tree in modules():
        for library in {each.partition(".")[0] for each in imported(tree)} & ALLOWED.keys():
            if package_of(name) not in ALLOWED[library]:
                wrong.append(f"{name} imports {library}")
    assert wrong == []


def test_every_library_has_its_packages():
    """ALLOWED lists every imported library; the test above does not notice a library that is missing there."""
    known = {*ALLOWED, *sys.stdlib_module_names, "fa_sweep", "numpy"}
    found = {each.partition(".")[0] for _, tree in modules() for each in imported(tree)}
    assert found <= known


def test_the_engine_knows_no_file():
    below = [layer for layer in LAYERS[: FLOOR["engine"] + 1] if layer != ("process",)]
    for name, tree in modules():
        if package_of(name) not in {n for layer in below for n in layer} - {"tasks", "settings", "registry"}:
            continue
        assert not imported(tree) & {"pathlib", "os", "io", "shutil", "tempfile"}, name
        calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        assert "open" not in calls, name


def test_plugins_import_nothing_heavy_at_their_top():
    for path in (ROOT / "hydra_plugins").rglob("*.py"):
        top = ast.Module(body=ast.parse(path.read_text(encoding="utf-8")).body, type_ignores=[])
        top.body = [node for node in top.body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not {n.partition(".")[0] for n in imported(top)} & {"fa_sweep", "numpy", "omegaconf", "pyarrow"}, path


@pytest.mark.parametrize("arguments", [["--help"], ["seed=x"], ["dry_run=true"]], ids=str)
def test_heavy_imports_wait(tmp_path, arguments):
    """Help, a refusal and a dry run import none of mlflow, pandas, seaborn, scipy and matplotlib."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "fa_sweep", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "hydra" in loaded
    assert not loaded & {"mlflow", "pandas", "seaborn", "scipy", "matplotlib"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel of this checkout, built and unpacked into a separate folder, as an installer would do it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


# Files in a user's working folder whose names also exist in this program. The program must not load any of them.
THEIRS = {
    "analysis.py": "raise SystemExit('their own analysis')",
    "report.py": "raise SystemExit('their own report')",
    "settings.py": "raise SystemExit('their own settings')",
    "conf/config.yaml": "defaults: [nothing\n",
    "conf/feedback/random.yaml": "mode: nobody\n",
    "hydra_plugins/__init__.py": "",
    "hydra_plugins/theirs.py": "",
    "tests/support/__init__.py": "raise SystemExit('their own tests')",
}
SMALL = ["-m", "feedback=symmetric,random", "seed=0,1", "train.steps=51", "train.eval_every=10"]


@pytest.fixture(params=["editable", pytest.param("wheel", marks=pytest.mark.slow)])
def run(request, with_database):
    """A function that runs `python ARGUMENTS` in a folder with a database; the program is an editable install or the wheel."""
    environment = dict(os.environ)
    if request.param == "wheel":
        # PYTHONPATH comes before an editable install on the path, so the wheel is loaded. Python's -I would ignore PYTHONPATH.
        environment["PYTHONPATH"] = str(request.getfixturevalue("installed"))

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=with_database,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    return run


def test_what_lies_in_the_working_folder_is_not_loaded(run, with_database):
    for name, text in THEIRS.items():
        path = with_database / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = run("-m", "fa_sweep", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "4 jobs, 0 reused, 4 runs to train" in done.stdout
    (written,) = (with_database / "outputs/reports").glob("*/report.html")
    written.unlink()
    again = run("-m", "fa_sweep", "report")
    assert again.returncode == 0, again.stderr
    assert written.exists()


@pytest.mark.slow
def test_the_wheel_is_what_runs(installed, with_database):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    names = "fa_sweep, hydra_plugins.fa_sweep.stack_launcher"
    where = f"import {names}; print(*(m.__file__ for m in ({names})))"
    found = subprocess.run(
        [sys.executable, "-c", where], cwd=with_database, env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.count(str(installed)) == 2


@pytest.mark.slow
def test_what_the_wheel_carries(installed):
    """The wheel has the configurations, templates and py.typed; its only top-level names are fa_sweep and hydra_plugins."""
    tops = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert tops == {"fa_sweep", "hydra_plugins"}
    for name in ("conf/config.yaml", "conf/experiment/seed_post.yaml", "report/templates/report.html.j2", "py.typed"):
        assert (installed / "fa_sweep" / name).is_file(), name
    assert not (installed / "hydra_plugins/__init__.py").exists()


@pytest.mark.slow
def test_the_tests_run_from_the_source_distribution(tmp_path):
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    (archive,) = tmp_path.glob("*.tar.gz")
    shutil.unpack_archive(archive, tmp_path, filter="data")
    (tree,) = (path for path in tmp_path.iterdir() if path.is_dir())
    few = ["-k", "numerics or test_hostile_names_come_out_inert"]  # pytest imports all tests all the same
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "not service and not slow", *few, "tests"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert re.search(r"[1-9]\d passed", done.stdout)
    listed = {path.name for path in tree.iterdir()}
    assert {"Makefile", "constraints.txt", "docs", "CHANGELOG.md", "CITATION.cff", "conf", "tests"} <= listed
