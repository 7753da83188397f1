"""Who answers closed questions: a language model, or the similarity of vectors."""

from unillmrec.judge.language_model import EstimatingJudge, LanguageModelJudge, WidthLimitedJudge
from unillmrec.judge.prompt_writer import CONTRACTS, PromptWriter
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
