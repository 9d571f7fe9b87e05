"""Sweeps: plan the training of a list of jobs, train them, and keep every finished run in the ledger. Works without Hydra."""
