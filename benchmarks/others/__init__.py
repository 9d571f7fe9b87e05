"""Other ways to do the main job's work, one file per way. They use none of fa_sweep's code."""
