"""`python -m analysis` in a checkout: the same as `python -m fa_sweep report`."""
