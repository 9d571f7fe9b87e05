"""From a list of jobs to a finished ledger: plan, train, keep. Callable without Hydra."""
