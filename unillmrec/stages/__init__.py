"""The four stages of a recommendation, each a function that can be replaced."""

from unillmrec.stages.options import Options, Way
from unillmrec.stages.people_order import order_by_path
from unillmrec.stages.profile import Person, profile
from unillmrec.stages.rank import rank
from unillmrec.stages.recall import recall
from unillmrec.stages.rerank import rerank
from unillmrec.stages.run import Candidate, Event, Run

__all__ = [
    "Candidate",
    "Event",
    "Options",
    "Person",
    "Run",
    "Way",
    "order_by_path",
    "profile",
    "rank",
    "recall",
    "rerank",
]
