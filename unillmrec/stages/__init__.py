"""The four stages of a recommendation: profile, recall, rank, rerank.

Each stage is a function in a module of its own. It gets a `Run`, which holds the state of one
recommendation and asks the judge. `Recommender` calls the stages in order and accepts a
replacement for each of them.
"""

from unillmrec.stages.options import Options, WalkChoice
from unillmrec.stages.people_order import order_by_path
from unillmrec.stages.profile import Person, profile
from unillmrec.stages.rank import rank
from unillmrec.stages.recall import recall
from unillmrec.stages.rerank import rerank
from unillmrec.stages.run import Candidate, Run, WalkStep, start_run

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
    "start_run",
]
