"""The ledger's way into MLflow. The only place that imports mlflow."""
