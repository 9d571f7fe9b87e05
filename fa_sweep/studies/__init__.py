"""Studies repeat published experiments with many seeds. Each study has a preset and a findings page."""

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
    """Return the study that belongs to a preset, or None.

    Args:
        preset: The name of the preset, if the sweep ran it with its settings unchanged (`SweepRecord.preset_as_it_stands`).
    """
    return next((study for study in STUDIES if study.name == preset), None)


def figures_of_study(frames: Frames) -> list[Drawn]:
    """Draw the figure of the study that a sweep belongs to, to be shown first in the sweep's report.

    Returns:
        One figure; none if the sweep belongs to no study, or if some of its runs are missing or have failed.
    """
    study = study_of(frames.about.preset)
    if study is None or frames.about.missing or frames.about.failed:
        return []
    return [study.draw(frames, study.numbers(frames))]
