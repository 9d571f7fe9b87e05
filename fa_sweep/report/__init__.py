"""The report on a sweep: convergence statistics as tables, figures and sentences."""
