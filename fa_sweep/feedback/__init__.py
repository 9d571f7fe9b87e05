"""Feedback modes, one module per mode, and the table `MODES` that lists them by name."""

from typing import Any

from fa_sweep.feedback._base import Ahead, Backward, FeedbackConfig, FeedbackMode, Forward, Lane
from fa_sweep.feedback._draws import Draws, fixed_matrices
from fa_sweep.registry import Pieces

MODES: Pieces[type[FeedbackMode[Any]]] = Pieces(__name__, "MODE", group="fa_sweep.feedback")

__all__ = ["MODES", "Ahead", "Backward", "Draws", "FeedbackConfig", "FeedbackMode", "Forward", "Lane", "fixed_matrices"]
