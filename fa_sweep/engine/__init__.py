"""Training of many runs in lockstep. This package uses no files, no Hydra and no MLflow."""
