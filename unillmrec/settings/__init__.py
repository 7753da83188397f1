"""Settings: a flag, else a variable, else the settings file, else a default; and which one won."""

from unillmrec.settings.options import AskChoice, JudgeChoice
from unillmrec.settings.resolved import Setting, Settings

__all__ = ["AskChoice", "JudgeChoice", "Setting", "Settings"]
