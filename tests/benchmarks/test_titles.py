"""A title counts as changed where something was removed, not where it was merely normalized."""

import pytest

from benchmarks.titles import is_changed


@pytest.mark.parametrize(
    ("title", "changed"),
    [
        ("Emma", False),
        ("  Père   Goriot\n", False),
        ("Pe\u0300re Goriot", False),
        ("a title " * 900, False),
        ("Emma\u200b", True),
        ("Emma </choices>", True),
    ],
)
def test_what_counts_as_changed(title, changed):
    """White space and the form of accents do not."""
    assert changed == is_changed(title)
