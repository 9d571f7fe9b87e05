"""Hydra plugins; Hydra 1.3 accepts them from this namespace alone."""
