"""Judges, which answer the closed questions of the stages: a language model, or vectors.

A new judge goes into a module here and gets a name in `registry`.
"""

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
from unillmrec.usage import Exchange

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
