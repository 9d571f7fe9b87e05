"""Studies: published findings asked again, each with a preset and a page; the blog post's claims come first."""

from fa_sweep.report.figures import Drawn
from fa_sweep.report.frames import Frames
from fa_sweep.studies import (
    digits,
    init_scale,
    lillicrap_linear,
    lillicrap_nonlinear,
    lillicrap_omega,
    seed_post,
    seed_post_squared,
    song_alignment,
)
from fa_sweep.studies.base import Study

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


def study_of(preset: str) -> Study | None:
    """Return the study of a preset that was run as it stands (`SweepRecord.preset_as_it_stands`)."""
    return next((study for study in STUDIES if study.name == preset), None)


def figures_of_study(frames: Frames) -> list[Drawn]:
    """Return the figure of the study that a complete sweep answers, for the head of its report; nothing for any other sweep."""
    study = study_of(frames.about.preset)
    if study is None or frames.about.missing or frames.about.failed:
        return []
    return [study.draw(frames, study.numbers(frames))]
