import pytest

from tests.evaluation.scripted import index, interactions
from unillmrec.evaluation.data.split import SplitProtocol, split


@pytest.fixture
def held_out():
    """A split of 36 people of the small catalog, with their last items held out."""
    return split(interactions(), index(), SplitProtocol(people=0))
