"""Recommendations for many people: bounded, resumable, each answer paid for once."""

from unillmrec.batch.desk import JudgeOver
from unillmrec.batch.people import Entry, PeopleFile
from unillmrec.batch.running import Batch, BatchOptions, BatchReport

__all__ = ["Batch", "BatchOptions", "BatchReport", "Entry", "JudgeOver", "PeopleFile"]
