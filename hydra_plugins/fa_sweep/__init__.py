"""The Hydra plugins of fa_sweep. Hydra 1.3 finds plugins only in the namespace package `hydra_plugins`."""
