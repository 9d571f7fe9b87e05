"""Studies: published findings asked again, each with a preset and a page; the blog post's claims come first."""

import shlex

from analysis.studies import (
    digits,
    init_scale,
    lillicrap_linear,
    lillicrap_nonlinear,
    lillicrap_omega,
    seed_post,
    seed_post_squared,
    song_alignment,
)
from analysis.studies.base import Study

STUDIES: tuple[Study, ...] = (
    seed_post.STUDY,
    seed_post_squared.STUDY,
    init_scale.STUDY,
    lillicrap_linear.SLOW,
    lillicrap_linear.FAST,
    lillicrap_omega.STUDY,
    lillicrap_nonlinear.STUDY,
    song_alignment.STUDY,
    digits.STUDY,
)


def study_of(command: str) -> Study | None:
    """Return the study whose preset a command line runs as it stands, with nothing changed but how it is run."""
    arguments = shlex.split(command)[3:]
    settings = [a for a in arguments if a.split("=")[0] not in ("report", "n_jobs", "resume", "dry_run")]
    return next((study for study in STUDIES if settings == [f"+experiment={study.name}"]), None)
