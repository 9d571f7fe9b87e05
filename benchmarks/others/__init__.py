"""The same work without fa_sweep, as somebody would do it: one file each, with the experiment and none of fa_sweep's code."""
