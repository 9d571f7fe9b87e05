"""The convergence report."""
