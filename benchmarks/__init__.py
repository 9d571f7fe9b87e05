"""Timings against the stock way and of the parts; `make bench`."""
