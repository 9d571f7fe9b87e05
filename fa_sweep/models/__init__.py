"""Network structures, one file per structure."""
