"""Results within reach: finds sweeps and runs in the ledger, and gives them as rows, frames, files and reports."""
