from functools import partial

import pytest

from tests.people.files import write_people


@pytest.fixture
def people(tmp_path):
    """Write rows to a file of people and return it."""
    return partial(write_people, tmp_path)
