"""The report command, `python -m analysis`: refusals in one line, and which of several sweeps it reports on."""

from pathlib import Path

import pytest
from support.commands import report as main
from support.commands import short

from fa_sweep.sweeping.folder import all_sweeps

pytestmark = pytest.mark.usefixtures("few_figures")


@pytest.fixture
def refused(capfd):
    """A function that runs the report command, which must refuse, and returns the line that it prints: refused("--x")."""

    def run(*arguments):
        capfd.readouterr()
        assert main(list(arguments)) == 2
        said = capfd.readouterr()
        assert said.out == ""
        assert len(said.err.strip().splitlines()) == 1
        return said.err

    return run


def test_a_uri_that_names_nothing_is_refused(fa_sweep, refused, tmp_path):
    assert fa_sweep(*short("feedback=symmetric,random", "seed=0,1")) == 0
    for experiment in ((), ("--experiment", "fa_sweep")):
        assert "--uri is 'nonsense'; MLflow keeps runs in databases and on servers" in refused("--uri", "nonsense", *experiment)
        assert "--uri is sqlite:///gone.db; there is no such database" in refused("--uri", "sqlite:///gone.db", *experiment)
    (tmp_path / "text.db").write_text("no database, but longer than a header")
    assert "it is no SQLite database" in refused("--uri", "sqlite:///text.db", "--experiment", "fa_sweep")
    assert not (tmp_path / "gone.db").exists()
    assert not (tmp_path / "outputs/reports").exists()


def test_what_is_given_twice_is_refused(refused):
    for option in ("experiment", "uri", "out", "reference", "format"):
        assert f"--{option} is given twice, the second time as 'b'; give it once" in refused(
            f"--{option}", "a", f"--{option}=b"
        )
    assert "No such option '--colour'" in refused("--colour")


def test_a_folder_that_cannot_be_written_is_refused_at_once(fa_sweep, refused, tmp_path):
    assert fa_sweep(*short("feedback=symmetric,random", "seed=0,1")) == 0
    assert "--out is /proc/x; it cannot be written" in refused("--out", "/proc/x")
    (tmp_path / "file").write_text("")
    assert "--out is file; it cannot be written" in refused("--out", "file")


@pytest.mark.slow
def test_all_sweeps_of_an_experiment_are_reported_together(fa_sweep, capfd, refused):
    for seed in range(3):
        assert fa_sweep(*short("feedback=symmetric,random", f"seed={seed},{seed + 1}")) == 0
    first, second, third = (sweep.id for sweep in all_sweeps())
    capfd.readouterr()
    assert main(["--experiment", "fa_sweep", "--format", "md"]) == 0
    path, said = capfd.readouterr()
    assert f"reading {first}, {second}, {third} from sqlite:///outputs/mlflow.db" in said
    together = Path(path.strip()).read_text()
    assert "8 of 8 planned runs have finished" in together
    assert "4 runs stand in several of the sweeps and are counted once" in together
    assert main([first, second, third, "--format", "md"]) == 0  # the ledger gives the same
    from_ledger = Path(capfd.readouterr().out.strip()).read_text()
    assert (
        from_ledger.partition("## Findings")[2].partition("## Methods")[0]
        == (together.partition("## Findings")[2].partition("## Methods")[0])
    )
    assert main(["--experiment", "fa_sweep", "--format", "md", "--sweep", second]) == 0
    assert second in capfd.readouterr().out
    assert "fits no sweep there" in refused("--experiment", "fa_sweep", "--sweep", "other")
    assert "has no experiment of that name" in refused("--experiment", 'it\'s "mine"')


@pytest.mark.parametrize("name", ["it's", 'say "so"', 'it\'s "both"', "50%", "back\\slash"])
def test_a_sweep_of_any_name_is_found(fa_sweep, capfd, name):
    escaped = name.replace('"', '\\"')
    assert fa_sweep(*short("feedback=symmetric,random", "seed=0,1", f'hydra.sweep.dir="outputs/sweeps/{escaped}"')) == 0
    assert Path("outputs/sweeps", name).is_dir()
    assert main(["--experiment", "fa_sweep", "--format", "md", "--sweep", name]) == 0
    assert "Traceback" not in capfd.readouterr().err
    assert Path("outputs/reports", name, "report.md").exists()


def test_a_sweep_that_names_another_store_is_reported_and_not_attached(fa_sweep, capfd, tmp_path):
    uri = f"sqlite:///{tmp_path}/far.db"
    assert fa_sweep(*short("feedback=symmetric,random", "seed=0,1", f"tracking.uri='{uri}'")) == 0
    before = (tmp_path / "far.db").read_bytes()
    capfd.readouterr()
    assert main(["--format", "md"]) == 0
    assert "is not this command's store; name it with MLFLOW_TRACKING_URI" in capfd.readouterr().err
    assert (tmp_path / "far.db").read_bytes() == before
    assert main(["--format", "md", "--uri", uri]) == 0
    assert (tmp_path / "far.db").read_bytes() != before


def test_outcomes_of_the_sweep_and_of_the_command(fa_sweep, capfd, refused):
    """Later reports, from the ledger and from MLflow, use what was stated with the sweep, unless the command says otherwise."""
    stated = ("outcomes=[accuracy:area,norm/weight_layer_1:area]", "margin=0.1")
    assert fa_sweep(*short("feedback=symmetric,random", "seed=range(6)", *stated)) == 0

    def head(*arguments):
        capfd.readouterr()
        assert main([*arguments, "--format", "md"]) == 0
        folder = Path(capfd.readouterr().out.strip()).parent
        return (folder / "findings.txt").read_text().splitlines()

    lines = head()
    assert lines[0] == "Primary outcome: mean accuracy over training (accuracy:area), stated with the sweep."
    assert lines[1] == "Secondary outcome: mean norm (weight layer 1) over training (norm/weight_layer_1:area)."
    assert lines[2] == "Margin of equivalence in the primary outcome: 0.1 in either direction."
    assert any("mean norm (weight layer 1) over training" in line for line in lines[3:])
    lines = head("--experiment", "fa_sweep", "--outcome", "accuracy:area", "--compare", "factor=feedback")
    assert lines[0].endswith("(accuracy:area), chosen when the report was written.")
    assert lines[1].startswith("Margin of equivalence in the primary outcome: 0.1")  # stated for this outcome
    assert lines[2] == "Only groups that differ in the factor feedback alone are compared."
    lacking = "these data lack the history of norm/weight_layer_1: choose norm/weight_layer_1:end, or report from the ledger"
    assert main(["--experiment", "fa_sweep"]) == 2
    assert lacking in capfd.readouterr().err
    for option, value, said in (
        ("--outcome", "acuracy", "did you mean accuracy? these runs have converged, success, accuracy, "),
        ("--outcome", "loss:mean", "after the colon stands one of end, best, area"),
        ("--margin", "-1", "--margin is -1.0; it must be positive"),
        ("--compare", "feedback", "write factor=NAME"),
        ("--compare", "factor=train.lr", "the factor to compare is 'train.lr'; choose one of feedback"),
    ):
        assert said in refused(option, value)
    assert "outcomes is 'acuracy:best'; did you mean accuracy?" in unknown(fa_sweep, capfd, "outcomes=[acuracy:best]")
    assert len(all_sweeps()) == 1


def unknown(fa_sweep, capfd, *arguments):
    """Start a sweep that is refused before anything is trained or written, and return the message."""
    capfd.readouterr()
    assert fa_sweep(*short("feedback=symmetric,random", "seed=range(6)", *arguments)) == 2
    return capfd.readouterr().err
