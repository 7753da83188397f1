import pytest

from tests.evaluation.exams import interactions, shelf
from unillmrec.evaluation.splitting import Protocol, split


@pytest.fixture
def parted():
    """Three dozen people of the small catalog, their last items held out."""
    return split(interactions(), shelf(), Protocol(people=0))
