"""Times fa_sweep, its components and other ways to do the same work (`make bench`)."""
