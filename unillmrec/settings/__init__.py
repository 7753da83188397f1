"""Resolve settings from flags, variables, the settings file and defaults, with their origin."""

from unillmrec.settings.options import AskChoice, JudgeChoice
from unillmrec.settings.resolved import Setting, Settings

__all__ = ["AskChoice", "JudgeChoice", "Setting", "Settings"]
