"""The public interface of the package: the names that it offers, and that importing it loads no heavy library."""

import subprocess
import sys

import pytest

import fa_sweep
from fa_sweep import ConfigError, compose, train


def test_everything_that_is_offered_is_there():
    for name in fa_sweep.__all__:
        assert getattr(fa_sweep, name).__module__.startswith("fa_sweep"), name
    assert set(fa_sweep.__all__) <= set(dir(fa_sweep))
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = fa_sweep.nothing_of_the_kind


def test_importing_the_package_loads_nothing_else():
    heavy = "{'numpy', 'hydra', 'mlflow', 'pandas'}"
    code = f"import sys, fa_sweep; print(*(m for m in sys.modules if m.partition('.')[0] in {heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_run_is_composed_and_trained():
    runs = [compose("feedback=random", f"seed={seed}", "train.steps=41", "train.eval_every=20") for seed in range(3)]
    histories = train(runs)
    assert histories.metrics["accuracy"].shape == (3, 3)
    assert histories.steps.tolist() == [0, 20, 40]


@pytest.mark.parametrize("word", ["train.lr=-1", "nothing=1", "feedback=nobody", "train.lr="])
def test_bad_settings_are_refused_in_one_line(word):
    with pytest.raises(ConfigError) as refused:
        compose(word)
    assert "\n" not in str(refused.value)
    assert word.partition("=")[0].split(".")[-1] in str(refused.value)


def test_composing_leaves_hydra_as_it_was():
    from hydra.core.global_hydra import GlobalHydra

    compose("seed=1")
    assert not GlobalHydra.instance().is_initialized()
