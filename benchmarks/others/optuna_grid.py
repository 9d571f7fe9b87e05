"""The main job with Optuna's grid sampler and its MLflow callback, one trial after the other.

Run as `python optuna_grid.py SEEDS URI`.
"""

import os
import sys

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
import optuna
from one_run import train
from optuna_integration.mlflow import MLflowCallback

optuna.logging.set_verbosity(optuna.logging.WARNING)


def main(seeds: int, uri: str) -> None:
    """Train all runs and log them to MLflow."""
    mlflow.set_tracking_uri(uri)
    callback = MLflowCallback(tracking_uri=uri, metric_name="final accuracy", create_experiment=False)
    mlflow.set_experiment("stock")

    @callback.track_in_mlflow()
    def objective(trial: optuna.Trial) -> float:
        mode = trial.suggest_categorical("mode", ["symmetric", "random", "rerandom"])
        histories = list(train(mode, trial.suggest_int("seed", 0, seeds - 1)))
        for step, metrics in histories:
            mlflow.log_metrics(metrics, step=step)
        return histories[-1][1]["accuracy"]

    grid = {"mode": ["symmetric", "random", "rerandom"], "seed": list(range(seeds))}
    study = optuna.create_study(sampler=optuna.samplers.GridSampler(grid))
    study.optimize(objective, callbacks=[callback])


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
