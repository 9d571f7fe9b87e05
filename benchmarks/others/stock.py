"""The stock way: Hydra's BasicLauncher trains one run at a time, and mlflow.log_metrics logs every evaluation.

Run as `python stock.py -m +mode=... +seed=... +uri=...`.
"""

import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import hydra
import mlflow
from omegaconf import DictConfig
from one_run import train


@hydra.main(version_base="1.3", config_path=None)
def main(config: DictConfig) -> None:
    """Train and log one run."""
    mlflow.set_tracking_uri(config.uri)
    mlflow.set_experiment("stock")
    with mlflow.start_run(run_name=f"{config.mode}-s{config.seed:03d}"):
        mlflow.log_params(dict(config))
        for step, metrics in train(config.mode, config.seed):
            mlflow.log_metrics(metrics, step=step)


if __name__ == "__main__":
    main()
