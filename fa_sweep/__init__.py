"""fa_sweep: learning without backpropagation, by the hundred, tracked, with honest statistics."""

__version__ = "0.1.0"
