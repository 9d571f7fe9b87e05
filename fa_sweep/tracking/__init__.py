"""Import sweeps from the ledger into MLflow and read them back. No other package imports mlflow."""
