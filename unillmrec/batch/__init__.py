"""Recommend to many people at once: bounded and resumable, and no reply is paid for twice."""

from unillmrec.batch.person_runner import JudgeOver
from unillmrec.batch.runner import Batch, BatchOptions, BatchReport
from unillmrec.people.people_file import PeopleFile

__all__ = ["Batch", "BatchOptions", "BatchReport", "JudgeOver", "PeopleFile"]
