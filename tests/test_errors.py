import inspect
import re

import pytest

from unillmrec import errors
from unillmrec.errors import (
    EndpointError,
    MissingExtraError,
    ReplyError,
    StoreError,
    UnillmrecError,
)

OURS = [
    value
    for _, value in inspect.getmembers(errors, inspect.isclass)
    if issubclass(value, UnillmrecError)
]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (StoreError("a.tree is gone."), "a.tree is gone."),
        (StoreError("Gone.", detail="Since today."), "Gone.\n  Since today."),
        (StoreError("Gone.", remedy="build it."), "Gone.\n  Try: build it."),
        (
            StoreError("Gone.", detail="Since today.", remedy="build it."),
            "Gone.\n  Since today.\n  Try: build it.",
        ),
        (
            MissingExtraError("Reading Parquet", "pyarrow", "parquet"),
            "Reading Parquet needs the package 'pyarrow', which is not installed.\n"
            "  Try: pip install 'unillmrec[parquet]'",
        ),
    ],
)
def test_an_error_has_problem_detail_and_remedy(error, expected):
    """Each is one line; an empty one is left out."""
    assert expected == str(error)


@pytest.mark.parametrize("kind", OURS)
def test_exit_codes(kind):
    """3 for input and settings, 4 for the endpoint, 5 for an unusable reply."""
    expected = 4 if issubclass(kind, EndpointError) else 5 if issubclass(kind, ReplyError) else 3

    assert expected == kind.exit_code


@pytest.mark.parametrize("kind", OURS)
def test_every_error_is_named_and_documented(kind):
    """Its name ends in Error, it has a docstring, and it is in the tree of the module docstring."""
    assert kind.__name__.endswith("Error")
    assert inspect.getdoc(kind)
    assert re.search(rf"\b{kind.__name__} ", errors.__doc__)
    assert not issubclass(kind, KeyError)


def test_an_endpoint_error_knows_whether_to_retry():
    """By default a retry is no use."""
    assert EndpointError("busy", retryable=True, status=429).retryable
    assert 429 == EndpointError("busy", retryable=True, status=429).status
    assert not EndpointError("no").retryable
    assert EndpointError("no").status is None


def test_braces_and_markup_are_not_interpreted():
    """A title in a message is shown as it is."""
    assert "'{0} [red]%s'" == str(UnillmrecError("'{0} [red]%s'"))
