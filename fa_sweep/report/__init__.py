"""Convergence statistics of a sweep, as tables, figures and sentences."""
