"""Recommendations for many people: bounded, resumable, each answer paid for once."""

from unillmrec.batch.people import Entry, PeopleFile
from unillmrec.batch.person_runner import JudgeOver
from unillmrec.batch.runner import Batch, BatchOptions, BatchReport

__all__ = ["Batch", "BatchOptions", "BatchReport", "Entry", "JudgeOver", "PeopleFile"]
