"""The main job with Ray Tune's grid search on all cores and its MLflow callback.

Run as `python ray_tune.py SEEDS URI FOLDER`.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # so that the workers can import one_run

import ray
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback


def trainable(config: dict) -> None:
    """Train one run, and report every evaluation."""
    from one_run import train

    for step, metrics in train(config["mode"], config["seed"]):
        tune.report({"step": step, **metrics})


def main(seeds: int, uri: str, folder: str) -> None:
    """Train all runs and log them to MLflow."""
    ray.init(num_cpus=os.cpu_count(), include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
    grid = {"mode": tune.grid_search(["symmetric", "random", "rerandom"]), "seed": tune.grid_search(list(range(seeds)))}
    callback = MLflowLoggerCallback(tracking_uri=uri, experiment_name="stock")
    settings = tune.RunConfig(callbacks=[callback], storage_path=folder, verbose=0)
    tune.Tuner(trainable, param_space=grid, run_config=settings).fit()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
