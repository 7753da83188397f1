"""The four stages of a recommendation, each a function that can be replaced."""

from unillmrec.stages.options import Options, WalkChoice
from unillmrec.stages.people_order import order_by_path
from unillmrec.stages.profile import Person, profile
from unillmrec.stages.rank import rank
from unillmrec.stages.recall import recall
from unillmrec.stages.rerank import rerank
from unillmrec.stages.run import Candidate, Run, WalkStep

__all__ = [
    "Candidate",
    "Options",
    "Person",
    "Run",
    "WalkChoice",
    "WalkStep",
    "order_by_path",
    "profile",
    "rank",
    "recall",
    "rerank",
]
