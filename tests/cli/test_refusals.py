"""Unusable input is refused with status 2 and one line that names field, value and remedy; nothing is written."""

import random
from pathlib import Path

import pytest
from support.commands import refused

# Command lines, and the words that each refusal must contain.
COMMAND_LINES = {
    # Groups and modes
    "feedback=[random,symmetric]": ["feedback=[random,symmetric]", "-m feedback=random,symmetric"],
    "feedback=[nan]": ["feedback=[nan]", "one of its options"],
    "task=[1]": ["task=[1]", "one of its options"],
    "++feedback=[symmetric]": ["-m feedback=symmetric"],
    "+experiment=[seed_post,digits]": ["experiment", "-m"],
    "hydra/launcher=[stack,joblib]": ["hydra/launcher", "one of its options"],
    "train=null": ["train=null", "one of its options"],
    "model=3": ["model=3", "one of its options"],
    "-m feedback=[random],[symmetric]": ["one of its options", "-m feedback=random"],
    "-m feedback=random,3": ["one of its options"],
    "feedback.mode=symmetric": ["feedback.mode", "'symmetric'", "use feedback=symmetric"],
    "feedback.mode=rerandom": ["use feedback=rerandom"],
    "x" * 100_000: ["the value has more than 10,000 characters"],
    "tracking.experiment=" + "x" * 100_000: ["the value has more than 10,000 characters"],
    "feedback={mode:direct}": ["a group takes the name of one of its options", "feedback.mode=direct"],
    "task.name=parity": ["task.name", "use task=parity"],
    "feedback.mode=randm": ["did you mean random"],
    # Flags
    "--package train": ["--package", "--cfg"],
    "--run": ["--run", "leave it out"],
    "--info": ["--info", "--cfg job"],
    "--experimental-rerun x.pickle": ["--experimental-rerun", "reproduce"],
    "--shell-completion query=bash": ["query=bash", "install=bash"],
    "--shell-completion nonsense=bash": ["--shell-completion", "install"],
    "--config-dir nowhere": ["--config-dir", "nowhere", "no such folder"],
    "hydra.searchpath=[nowhere]": ["hydra.searchpath", "nowhere", "no such folder"],
    "hydra.searchpath=3": ["hydra.searchpath=3", "list of folders"],
    # Hydra's own settings
    "hydra=null": ["hydra=null", "hydra.launcher.executor"],
    "hydra.launcher=null": ["hydra.launcher=null", "hydra/launcher=joblib"],
    "hydra.sweeper=null": ["hydra.sweeper=null"],
    "~hydra.launcher": ["~hydra.launcher", "leave it out"],
    "hydra.mode=sideways": ["hydra.mode", "sideways", "MULTIRUN"],
    "hydra.job=null": ["hydra.job", "null", "leave it out"],
    "hydra.verbose=[1]": ["hydra.verbose=[1]", "names of loggers"],
    "+hydra.nonsense=3": ["hydra.nonsense", "leave it out"],
    "hydra.launcher.executor=nope": ["hydra.launcher.executor", "nope", "local"],
    "hydra.launcher.nope=3": ["hydra.launcher.nope", "leave it out"],
    # Settings that do not exist
    "model.hidden.x=1": ["model.hidden is a list", "model.hidden=[10,10]"],
    "model.hidden.7=1": ["model.hidden"],
    "=3": ["'=3'", "NAME=VALUE"],
    "": ["NAME=VALUE"],
    "seed": ["'seed'", "NAME=VALUE"],
    # Slips for which the refusal names what was probably meant
    "lr=0.1": ["did you mean train.lr=0.1"],
    "hidden=[3]": ["did you mean model.hidden=[3]"],
    "step=5": ["did you mean train.steps=5"],
    "seed=0..9": ["'0..9'", "seed=range(10)"],
    "seed=3:7": ["seed=range(3,8)"],
    "seed=[0,1,2]": ["-m seed=0,1,2"],
    "seed=0,1,2": ["seed=0,1,2", "-m seed=0,1,2"],
    "seed=range(5)": ["add -m", "'seed=range(5)'"],
    "model.hidden=10,10": ["did you mean model.hidden=[10,10]"],
    "model.hidden=10": ["such as [10]"],
    "seed=2.0": ["did you mean 2?"],
    "report=1": ["did you mean true?"],
    "train.lr=0,1 seed=1": ["add -m"],
    "task.path=x.csv": ["it belongs to task=csv or task=images"],
    "feedback.width=3": ["it belongs to feedback=product"],
    # Numbers that are too large
    "train.batch_size=100000000000000000000000000": ["train.batch_size", "2^63"],
    "feedback=product feedback.width=100000000000000000000000000": ["feedback.width", "2^63"],
    "train.eval_at=[100000000000000000000000000]": ["train.eval_at[0]", "2^63"],
    f"train.lr={'1' * 400}": ["train.lr", "2^63", "1e30"],
    f"seed={'1' * 5000}": ["seed", "digits"],
    "train.lr=1e400": ["train.lr", "inf", "finite"],
    "n_jobs=100000": ["n_jobs", "9999"],
    # Epochs
    "train.epochs=3": ["train.epochs", "with replacement", "train.steps"],
    "task=linear_teacher train.epochs=3": ["train.epochs", "train.steps"],
    # Values that need quotes
    "task=csv task.path=größe.csv": ["quote the value twice", "\"task.path='größe.csv'\""],
    "task=csv task.path=~/data.csv": ["\"task.path='~/data.csv'\""],
    "task=csv task.path=a#1.csv": ["\"task.path='a#1.csv'\""],
    "task=csv task.path=epoch=3.csv": ["\"task.path='epoch=3.csv'\""],
    "task=csv task.path=f(1).csv": ["\"task.path='f(1).csv'\""],
    "task=csv task.path=a,b.csv": ["\"task.path='a,b.csv'\"", "-m"],
    "task=csv task.path=x task.target=1.5": ["task.target", "\"task.target='1.5'\""],
    # Endless or huge sweeps
    "-m seed=range(nan)": ["seed=range(nan)", "finite"],
    "-m seed=range(0,1e400)": ["seed=range(0,1e400)", "finite"],
    "-m train.lr=range(0,1,1e-320)": ["train.lr=range(0,1,1e-320)", "confirm=true"],
    "-m seed=range(0,10,0)": ["a step of 0"],
    "-m seed=range(1000000000000)": ["1,000,000,000,000 jobs", "confirm=true"],
    "-m seed=shuffle(range(1000000000000))": ["1,000,000,000,000 jobs"],
    "-m seed=range(1000000000000) confirm=true": ["has memory for"],
    "-m seed=range(1000) train.lr=range(0.1,200.1,0.1)": ["jobs", "confirm=true"],
}


@pytest.mark.parametrize("text", COMMAND_LINES, ids=lambda text: text[:60])
def test_one_line_with_the_remedy(fa_sweep, capfd, text):
    line = refused(fa_sweep, capfd, text.split(" ") if text else [""])
    for words in COMMAND_LINES[text]:
        assert words in line, (words, line)


@pytest.mark.parametrize("argument", ["seed=\udc80", "task.path='\ud800'", "\udcff", "--config-dir=\udc80", "seed=1\0"])
def test_half_a_character_is_named(fa_sweep, capfd, argument):
    assert "U+" in refused(fa_sweep, capfd, [argument])


def test_a_value_with_spaces_and_brackets_is_quoted(fa_sweep, capfd):
    line = refused(fa_sweep, capfd, ["task=csv", "task.path=my data (1).csv", "task.target=y"])
    assert "\"task.path='my data (1).csv'\"" in line


@pytest.mark.parametrize("value", ["größe.csv", "a#1", "my data (1).csv", "it's", 'a"b', "$HOME", "a\\b", "~", "x=y", "a`b"])
def test_the_remedy_is_right(value):
    """The quoting that a refusal recommends passes through the shell and Hydra and yields the intended value."""
    import shlex

    from hydra.core.override_parser.overrides_parser import OverridesParser

    from fa_sweep.cli.refusals import quoted

    (typed,) = shlex.split(quoted(f"task.path={value}"))
    (override,) = OverridesParser.create().parse_overrides([typed])
    assert override.value() == value


def test_a_single_seed_in_a_sweep_is_hinted_at(fa_sweep, capfd):
    assert fa_sweep("-m", "seed=50", "feedback=random,symmetric", "dry_run=true") == 0
    out, err = capfd.readouterr()
    assert "'seed=range(50)'" in err
    assert "jobs       2" in out


def test_shell_completion_answers_a_shell(fa_sweep, capfd, monkeypatch):
    monkeypatch.setenv("COMP_LINE", "fa_sweep feedback=ran")
    monkeypatch.setenv("COMP_POINT", "21")
    assert fa_sweep("--shell-completion", "query=bash") == 0
    assert "feedback=random" in capfd.readouterr().out


def test_an_error_without_words_has_a_line(fa_sweep, capfd, monkeypatch):
    def broken(*_, **__):
        raise MemoryError

    monkeypatch.setattr("fa_sweep.cli.planning.make_jobs", broken)
    assert "not enough memory" in refused(fa_sweep, capfd, ["seed=1"])


def test_an_unexpected_error_names_its_class(fa_sweep, capfd, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("a slip of ours")

    monkeypatch.setattr("fa_sweep.cli.planning.make_jobs", broken)
    line = refused(fa_sweep, capfd, ["-m", "seed=1,2"])
    assert "ZeroDivisionError" in line
    assert "HYDRA_FULL_ERROR=1" in line


KEYS = [
    "seed", "dtype", "n_jobs", "resume", "confirm", "task", "feedback", "model", "train", "init", "task.name", "task.success",
    "task.success.value", "model.hidden", "model.hidden.0", "model.bias", "feedback.mode", "feedback.seed", "train.lr",
    "train.steps", "train.eval_at", "train.eval_every", "tracking", "tracking.uri", "hydra.job.chdir", "hydra.launcher",
    "hydra.sweeper.params", "hydra/launcher", "hydra.mode", "experiment", "nope", "task.nope", "~seed", "+x", "++train.lr", "",
]  # fmt: skip
VALUES = [
    "", "null", "nan", "inf", "-1", "0", "1.5", "1e400", "true", "x", "''", "[]", "[1]", "[[1]]", "{}", "{a:1}", "{a:{b:[]}}",
    "${seed}", "${nope}", "${oc.env:NOPE}", "???", "range(3)", "range(nan)", "1,2", "choice(1)", "int(x)", "glob(*)", "(", "'",
    "9223372036854775808", "9" * 50, "a b", "x:y", "\\", "interval(0,1)", "sort(1,a)", "tag(1)", "é", "\t", "$",
]  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))])
def test_no_combination_of_settings_and_values_is_a_traceback(fa_sweep, capfd, monkeypatch, seed):
    """Any combination of settings and values ends with a plan or with one line of refusal; `main` raises nothing."""
    generator = random.Random(seed)  # noqa: S311  no secret
    for _ in range(12):
        chosen = [f"{generator.choice(KEYS)}={generator.choice(VALUES)}" for _ in range(generator.randint(1, 2))]
        arguments = [*generator.choice([["-m"], []]), "dry_run=true", *chosen]
        status = fa_sweep(*arguments)
        err = [line for line in capfd.readouterr().err.strip().splitlines() if not line.startswith(("note: ", "warning: "))]
        assert status in (0, 2), arguments
        assert len(err) == (1 if status == 2 else 0), (arguments, err)
        assert list(Path().iterdir()) == [], arguments


@pytest.mark.slow
def test_the_preset_of_a_search_path_is_reproduced(fa_sweep, capfd, tmp_path, monkeypatch):
    """`reproduce` and the recorded command name the user's configuration folders, so that they work in any folder."""
    import shlex

    from fa_sweep.sweeping.folder import all_sweeps

    for folder, name in (("my conf", "mine"), ("other", "theirs")):
        (tmp_path / folder / "experiment").mkdir(parents=True)
        (tmp_path / folder / "experiment" / f"{name}.yaml").write_text(
            "# @package _global_\ntrain: {steps: 60, eval_every: 20, hold: 1}\n"
            "hydra: {mode: MULTIRUN, sweeper: {params: {feedback: 'random,symmetric', seed: 'range(2)'}}}\n"
        )
    for arguments in (
        ["hydra.searchpath=['file://my conf']", "+experiment=mine"],
        ["--config-dir", "other", "+experiment=theirs"],
    ):
        assert fa_sweep(*arguments, "report=false") == 0
        sweep = all_sweeps()[-1]
        commands = [shlex.split(sweep.jobs[0].reproduce), [*shlex.split(sweep.record.command), "dry_run=true"]]
        elsewhere = tmp_path / "elsewhere" / sweep.id
        elsewhere.mkdir(parents=True)
        monkeypatch.chdir(elsewhere)
        for command in commands:
            assert command[:3] == ["python", "-m", "fa_sweep"]
            capfd.readouterr()
            assert fa_sweep(*command[3:]) == 0
        assert "jobs       4" in capfd.readouterr().out
        monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("launcher", [(), ("-m",)])
@pytest.mark.parametrize("given", ["train={lr:0.5}", "feedback={mode:random}", "train={}", "tracking={experiment:x}"])
def test_a_group_takes_no_mapping(fa_sweep, capfd, tmp_path, launcher, given):
    assert fa_sweep(*launcher, given, "seed=0") == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "a group takes the name of one of its options; sweep over several with -m" in line
    assert list(tmp_path.iterdir()) == []
