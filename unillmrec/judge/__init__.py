"""Who answers closed questions: a language model, or the similarity of vectors."""

from unillmrec.judge.language_model import EstimatingJudge, LanguageModelJudge, PacedJudge
from unillmrec.judge.questions import (
    Choice,
    Dropped,
    Exchange,
    HistoryQuestion,
    Interest,
    Interests,
    Judge,
    Profile,
    Question,
    Verdict,
)
from unillmrec.judge.similarity import SimilarityJudge
from unillmrec.judge.writing import CONTRACTS, PromptWriter

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
    "PacedJudge",
    "Profile",
    "PromptWriter",
    "Question",
    "SimilarityJudge",
    "Verdict",
]
