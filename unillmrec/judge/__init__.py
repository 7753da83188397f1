"""Judges, which answer the closed questions of the stages: a language model, or vectors.

A new judge goes into a module here and gets a name in `registry`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unillmrec.system.lazy_names import lazy_names
from unillmrec.usage import Exchange

if TYPE_CHECKING:
    from unillmrec.judge.estimating import EstimatingJudge, WidthLimitedJudge
    from unillmrec.judge.language_model import LanguageModelJudge
    from unillmrec.judge.prompting.prompt_writer import CONTRACTS, PromptWriter
    from unillmrec.judge.questions import (
        Choice,
        Dropped,
        HistoryQuestion,
        Interest,
        Interests,
        Judge,
        Profile,
        Question,
        Verdict,
    )
    from unillmrec.judge.similarity import SimilarityJudge

__all__ = [
    "CONTRACTS",
    "Choice",
    "Dropped",
    "EstimatingJudge",
    "Exchange",
    "HistoryQuestion",
    "Interest",
    "Interests",
    "Judge",
    "LanguageModelJudge",
    "Profile",
    "PromptWriter",
    "Question",
    "SimilarityJudge",
    "Verdict",
    "WidthLimitedJudge",
]

_HOMES = {
    "CONTRACTS": "prompting.prompt_writer",
    "Choice": "questions",
    "Dropped": "questions",
    "EstimatingJudge": "estimating",
    "HistoryQuestion": "questions",
    "Interest": "questions",
    "Interests": "questions",
    "Judge": "questions",
    "LanguageModelJudge": "language_model",
    "Profile": "questions",
    "PromptWriter": "prompting.prompt_writer",
    "Question": "questions",
    "SimilarityJudge": "similarity",
    "Verdict": "questions",
    "WidthLimitedJudge": "estimating",
}
__getattr__ = lazy_names(__name__, _HOMES)
