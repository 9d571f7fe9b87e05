"""Feedback modes: the one table of them."""

from typing import Any

from fa_sweep.feedback.base import FeedbackConfig, FeedbackMode, Lane
from fa_sweep.feedback.random import Random
from fa_sweep.feedback.rerandom import Rerandom
from fa_sweep.feedback.shallow import Shallow
from fa_sweep.feedback.symmetric import Symmetric

MODES: dict[str, type[FeedbackMode[Any]]] = {
    "symmetric": Symmetric,
    "random": Random,
    "rerandom": Rerandom,
    "shallow": Shallow,
}

__all__ = ["MODES", "FeedbackConfig", "FeedbackMode", "Lane"]
