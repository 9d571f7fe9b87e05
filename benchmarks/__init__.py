"""Timings of fa_sweep, of its parts and of other ways to do the same work (`make bench`)."""
