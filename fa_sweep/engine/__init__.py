"""Training of many runs in lockstep. Knows no file, no Hydra and no MLflow."""
