"""The fast composer gives the same settings and job order as Hydra. It composes once and sets plain values on copies."""

import random

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf, open_dict

from fa_sweep.cli.configuration import resolve
from fa_sweep.cli.lines import parse_jobs
from fa_sweep.cli.own_conf import no_defaults
from fa_sweep.errors import ConfigError
from fa_sweep.sweeping.jobs import make_jobs, named_after

POOL = [
    "feedback=random", "feedback=symmetric", "feedback=rerandom", "feedback=nope", "task=xor", "init=he", "tracking=server",
    "+experiment=seed_post", "seed=3", "seed=0007", "seed=x", "seed=null", "seed=", "train.lr=0.3", "train.lr=abc",
    "train.lr=1e-3", "train.lr=${init.scale}", "init.scale=2", "init.scale=0.25", "++init.scale=0.5", "++train.lr=0.7",
    "++new.key=1", "+new=1", "~train.hold", "~feedback", "~tracking", "~train", "model.hidden=[3,4,5]", "model.hidden=[]",
    "model.hidden.0=7", "model.hidden[1]=9", "model.hidden=x", "train={lr:0.9,steps:7}", "train={nope:1}", "train.nope=1",
    "model.activation='a b'", "model.activation=null", "model.activation=", "model.bias=true", "model.bias=on",
    "feedback.every=4", "feedback.scale=${train.lr}", "train.loss=squared", "task.loss=squared", "train.hold=${seed}",
    "tracking.uri='sqlite:///a,b.db'", "tracking.uri=${tracking.experiment}_x", "resume=false", "n_jobs=${seed}",
    "task.name=\\${x}", "model.hidden=[${seed},2]", "++model={bias:true}", "/train.lr=0.3", "feedback@init=random",
    "hydra.job.chdir=true", "hydra.verbose=true", "hydra.job.name=zz", "hydra.run.dir=x",
]  # fmt: skip


def outcome(function):
    try:
        return "ok", function()
    except Exception as error:
        return "error", type(error).__name__, str(error), str(error.__cause__)


def described(config):
    resolved = outcome(lambda: OmegaConf.to_container(config, resolve=True))
    flags = (OmegaConf.is_struct(config), OmegaConf.is_readonly(config))
    return OmegaConf.to_container(config, resolve=False), resolved, flags


def hydras_own(composer, overrides):
    config = composer._loader.load_sweep_config(composer._master, list(overrides))
    with open_dict(config):
        del config["hydra"]
    return config


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in (1, 2, 3))])
def test_equals_hydras_own_composition(composer, part):
    generator = random.Random(0)  # noqa: S311  no secret
    samples = [generator.sample(POOL, generator.randint(1, 5)) for _ in range(120)]
    compared = refused = 0
    for overrides in samples[30 * part : 30 * part + 30]:
        ours = outcome(lambda o=overrides: described(composer.compose(o)))
        hydras = outcome(lambda o=overrides: hydras_own(composer, o))
        theirs = ("ok", described(hydras[1])) if hydras[0] == "ok" else hydras
        assert ours == theirs, overrides
        # The fast way sets values on a copy of resolved settings. It gives the same settings, or refuses if the slow way does.
        fast = outcome(lambda o=overrides: composer.settings(o))
        slow = outcome(lambda h=hydras: resolve(h[1])) if hydras[0] == "ok" else hydras
        assert fast[0] == slow[0], overrides
        assert fast == slow or fast[0] == "error", overrides
        compared += ours[0] == "ok"
        refused += ours[0] == "error"
    assert compared > 3
    assert refused > 3


def test_values_that_others_follow_are_followed(composer):
    """A setting that refers to another setting changes with it: train.loss changes with task.loss, for example."""
    for _ in range(2):  # the second time, the composer copies what it composed the first time
        assert composer.settings(["task.loss=squared", "seed=1"]).train.loss == "squared"
        assert composer.settings(["init.distribution=he", "seed=2"]).feedback.distribution == "he"
        assert composer.settings(["train.weight_decay=0.5", "seed=3"]).train.output_weight_decay == 0.5
        assert composer.settings(["train.weight_decay=0.5", "train.output_weight_decay=0.1"]).train.output_weight_decay == 0.1
        assert composer.settings(["task.success.value=0.5", "seed=4"]).train.threshold == 0.5
    assert composer.settings(["seed=5"]).train.loss == "absolute"


def test_a_value_that_follows_the_seed_does_so_in_a_sweep(composer):
    """Jobs that differ only in their seed share settings, unless a preset or the command line refers to the seed."""
    for given in (("task=digits", "train=batch", "task.split_seed=${seed}"), ("+experiment=digits",)):
        found = [composer.candidate((*given, f"seed={seed}"), len(given)).run for seed in (1, 2, 3)]
        assert [(run.seed, run.task.split_seed) for run in found] == [(1, 1), (2, 2), (3, 3)]
        # A sweep writes its overrides anew, with escaped braces.
        lines = parse_jobs([*given, "seed=1,2,3"], composer._loader)
        found = [composer.candidate(line, lines.place_of_seed).run for line in lines]
        assert [(run.seed, run.task.split_seed) for run in found] == [(1, 1), (2, 2), (3, 3)]


def test_plain_values_cost_no_composition(composer):
    for seed in range(100):
        composer.settings(["feedback=random", f"seed={seed}", f"train.lr={seed + 1}"])
    assert len(composer._bases) == 1


ARGUMENTS = [
    ["feedback=symmetric,random", "seed=range(5)"],
    ["seed=range(0,100,20)", "feedback=random"],
    ["init.scale=0.1,0.3,1", "train.lr=choice(0.01,0.03)", "seed=1,2"],
    ["seed=1", "feedback=glob(r*)"],
    ["feedback=glob(*,exclude=s*)"],
    ["seed=shuffle(1,1)", "model.hidden=[3],[4,5]"],
    ["seed=sort(3,1,2)", "+new=a,b"],
    ["seed=1", "seed=2,3"],
    ["seed=tag(x,1,2)"],
    [],
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_same_jobs_and_order_as_basic_sweeper(composer, arguments):
    loader = composer._loader

    def basic():
        parser = OverridesParser.create(config_loader=loader)
        (batch,) = BasicSweeper.split_arguments(parser.parse_overrides(arguments), None)
        return batch

    expected = outcome(basic)
    ours = outcome(lambda: [list(line) for line in parse_jobs(arguments, loader)])
    if expected[0] == "error":
        assert ours[0] == "error"
    else:
        assert ours == expected


@pytest.mark.parametrize("argument", ["seed=range(0)", "seed=range(5,5)", "train.lr=interval(0,1)"])
def test_no_list_of_values(composer, argument):
    with pytest.raises(ConfigError, match="sweep"):
        parse_jobs([argument], composer._loader)


def test_factor(composer):
    assert composer.factor("feedback=random") == ("feedback", "random")
    assert composer.factor("train.lr=0.1") == ("train.lr", None)
    assert composer.factor("++train.lr=0.1") == ("train.lr", None)
    assert composer.factor("+experiment=seed_post") == ("experiment", "seed_post")
    for nothing in ("~train.hold", "tracking.uri=x", "hydra.job.name=x", "resume=false", "n_jobs=2"):
        assert composer.factor(nothing) is None


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "random-s000"),
        (["feedback=random", "train.lr=0.01", "seed=7"], "random-s007"),
        (["feedback=symmetric", "train.lr=0.1", "model.hidden=[4,4]"], "symmetric-train.lr=0.1-model.hidden=[4,4]-s000"),
        (["task=parity", "task.bits=4", "init=xavier"], "random-task=parity-task.bits=4-init=xavier-s000"),
        (["+experiment=seed_post", "train.steps=10", "name=x"], "random-experiment=seed_post-train.steps=10-s000"),
    ],
)
def test_a_single_run_is_named_after_what_differs_from_the_defaults(settings, overrides, name):
    app = settings(*overrides)
    (job,) = make_jobs([(app, {}, overrides)])
    assert named_after(job, no_defaults(app, overrides)).name == name
