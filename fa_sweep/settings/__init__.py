"""The settings of a run: their types and ranges, which combinations are allowed, and the run's id."""
