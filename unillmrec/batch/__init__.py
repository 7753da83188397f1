"""Recommend to many people at once: bounded and resumable, and no reply is paid for twice."""

from unillmrec.batch.options import BatchOptions, BatchReport
from unillmrec.batch.person_runner import BuildJudge
from unillmrec.batch.runner import Batch
from unillmrec.people.people_file import PeopleFile

__all__ = ["Batch", "BatchOptions", "BatchReport", "BuildJudge", "PeopleFile"]
