import pytest

from tests.evaluation.exams import interactions, shelf
from unillmrec.evaluation.data.split import Protocol, split


@pytest.fixture
def parted():
    """Three dozen people of the small catalog, their last items held out."""
    return split(interactions(), shelf(), Protocol(people=0))
