"""The studies of this project, most of which repeat a published experiment with many seeds.

Each study has a preset, which runs its sweep, and a findings page.
"""

from fa_sweep.decisions.designs import is_first_stage, is_tuned
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
        preset: The name of the preset; empty if the sweep is not a preset with its settings unchanged (see
            `SweepRecord.preset_as_it_stands`).
    """
    return next((study for study in STUDIES if study.name == preset), None)


def figures_of_study(frames: Frames) -> list[Drawn]:
    """Draw the figure of the study that a sweep belongs to, to be shown first in the sweep's report.

    Returns:
        A list of one figure; empty if the sweep belongs to no study, if some of its runs are missing or have failed, or if it
        is one of two stages without the other one.
    """
    study, design = study_of(frames.about.preset), frames.about.design
    if study is None or frames.about.missing or frames.about.failed:
        return []
    if is_first_stage(design) or (is_tuned(design) and not frames.choices):
        return []
    return [study.draw(frames, study.numbers(frames))]
