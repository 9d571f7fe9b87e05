"""The stock way, improved as the manuals advise: Hydra's joblib launcher on all cores, and one log_batch per run.

Run as `python joblib_batches.py -m hydra/launcher=joblib +mode=... +seed=... +uri=...`.
"""

import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import hydra
from omegaconf import DictConfig
from one_run import train


def log(uri: str, experiment: str, mode: str, seed: int, histories: list[tuple[int, dict[str, float]]]) -> None:
    """Make one run in MLflow, and log all its metrics in one batch.

    Args:
        uri: MLflow's tracking URI.
        experiment: the name of an experiment that exists.
        mode: the run's feedback mode.
        seed: the run's seed.
        histories: the step and the metrics of each evaluation.
    """
    import time

    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient(uri)
    run_id = client.create_run(
        client.get_experiment_by_name(experiment).experiment_id, run_name=f"{mode}-s{seed:03d}"
    ).info.run_id
    now = time.time_ns() // 1_000_000
    points = [Metric(name, value, now, step) for step, metrics in histories for name, value in metrics.items()]
    client.log_batch(run_id, points, [Param("mode", mode), Param("seed", str(seed))])
    client.set_terminated(run_id)


@hydra.main(version_base="1.3", config_path=None)
def main(config: DictConfig) -> None:
    """Train and log one run."""
    log(config.uri, "stock", config.mode, config.seed, list(train(config.mode, config.seed)))


if __name__ == "__main__":
    main()
