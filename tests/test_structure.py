"""Imports run one way, heavy ones wait until they are needed, and the package works from a wheel in any folder."""

import ast
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.waiting import PATIENCE

ROOT = Path(__file__).resolve().parent.parent
ENGINE = (
    "streams", "distributions", "losses", "activations", "checks", "network", "alignment", "evaluation", "stack", "training",
    "schema", "convergence", "identity", "feedback", "tasks",
)  # fmt: skip


def modules():
    """Yield (dotted name, names imported at any depth of the file, names imported at its top)."""
    for package in ("fa_sweep", "analysis", "hydra_plugins"):
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text())
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            typing_only = {
                id(node)
                for block in ast.walk(tree)
                if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
                for node in ast.walk(block)
            }
            yield name, imported(n for n in ast.walk(tree) if id(n) not in typing_only), imported(tree.body)


def imported(nodes):
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def under(names, *prefixes):
    return {n for n in names if any(n == p or n.startswith(f"{p}.") for p in prefixes)}


def test_imports_run_one_way():
    wrong = []
    for name, anywhere, _ in modules():
        part = name.split(".")[1] if "." in name else ""
        forbidden = set()
        if part in ENGINE:
            forbidden |= under(anywhere, "fa_sweep.sweep", "fa_sweep.tracking", "fa_sweep.config", "fa_sweep.composition")
            forbidden |= under(anywhere, "hydra", "omegaconf", "mlflow", "pandas", "seaborn", "pyarrow", "rich", "analysis")
        if name.startswith("fa_sweep.sweep"):
            forbidden |= under(anywhere, "fa_sweep.tracking", "fa_sweep.application", "hydra", "omegaconf", "mlflow", "pandas")
        if not name.startswith("fa_sweep.tracking"):
            forbidden |= under(anywhere, "mlflow", "sqlalchemy")
        if not name.startswith("analysis"):
            forbidden |= under(anywhere, "pandas", "seaborn", "matplotlib")
        if name.startswith("analysis"):
            forbidden |= under(anywhere, "fa_sweep.training", "fa_sweep.stack", "fa_sweep.network", "hydra", "omegaconf")
        if name not in {
            f"fa_sweep.{n}"
            for n in ("config", "choices", "config_files", "refusals", "composition", "launching", "callbacks", "entry")
        }:
            forbidden |= under(anywhere, "omegaconf") if not name.startswith("hydra_plugins") else set()
        wrong += [f"{name} imports {module}" for module in forbidden]
    assert wrong == []


def test_plugins_import_nothing_heavy_at_their_top():
    for name, _, top in modules():
        if name.startswith("hydra_plugins"):
            assert not under(top, "fa_sweep", "numpy", "omegaconf", "pyarrow"), name


@pytest.mark.parametrize("arguments", [["--help"], ["seed=x"], ["dry_run=true"]], ids=str)
def test_heavy_imports_wait(tmp_path, arguments):
    """Neither help, nor a refusal, nor a plan imports mlflow, pandas, seaborn or scipy.stats."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "fa_sweep", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "hydra" in loaded
    assert not loaded & {"mlflow", "pandas", "seaborn", "scipy.stats", "matplotlib"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, unpacked as an installer would, without the checkout anywhere on the path."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.mark.slow
def test_the_wheel_works_from_any_folder(installed, with_database):
    # -P and -I would drop PYTHONPATH with the checkout; an editable install is shadowed by what stands first on the path.
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    names = "fa_sweep, analysis, hydra_plugins.fa_sweep.stack_launcher"
    where = f"import {names}; print(*(m.__file__ for m in ({names})))"
    found = subprocess.run(
        [sys.executable, "-c", where], cwd=with_database, env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.count(str(installed)) == 3
    arguments = ["-m", "feedback=symmetric,random", "seed=0,1", "train.steps=51", "train.eval_every=10", "report=false"]
    done = subprocess.run(
        [sys.executable, "-m", "fa_sweep", *arguments],
        cwd=with_database,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert "4 jobs, 0 reused, 4 runs to train" in done.stdout
    analysed = subprocess.run(
        [sys.executable, "-m", "analysis"], cwd=with_database, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert analysed.returncode == 0, analysed.stderr
    assert list((with_database / "outputs/reports").glob("*/report.html"))


@pytest.mark.slow
def test_the_wheel_carries_conf_and_templates(installed):
    assert (installed / "fa_sweep/conf/config.yaml").is_file()
    assert (installed / "fa_sweep/conf/experiment/seed_post.yaml").is_file()
    assert (installed / "analysis/templates/report.html.j2").is_file()
    assert not (installed / "hydra_plugins/__init__.py").exists()
    assert not (installed / "tests").exists()
