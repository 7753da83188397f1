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
def test_an_error_says_what_where_and_what_to_do(error, expected):
    """The problem, what follows from it, and one remedy, a line each."""
    assert expected == str(error)


@pytest.mark.parametrize("kind", OURS)
def test_exit_codes(kind):
    """Three for input and settings, four for the endpoint, five for an unusable reply."""
    expected = 4 if issubclass(kind, EndpointError) else 5 if issubclass(kind, ReplyError) else 3

    assert expected == kind.exit_code


@pytest.mark.parametrize("kind", OURS)
def test_every_error_says_what_it_is_about(kind):
    """It ends in Error, has a docstring, and is drawn in the module's tree."""
    assert kind.__name__.endswith("Error")
    assert inspect.getdoc(kind)
    assert re.search(rf"\b{kind.__name__} ", errors.__doc__)
    assert not issubclass(kind, KeyError)


def test_an_endpoint_error_says_whether_to_try_again():
    """Retrying is for whoever knows; by default it is no use."""
    assert EndpointError("busy", retryable=True, status=429).retryable
    assert 429 == EndpointError("busy", retryable=True, status=429).status
    assert not EndpointError("no").retryable
    assert EndpointError("no").status is None


def test_braces_and_markup_stay_as_they_are():
    """A title in a message is not formatted again."""
    assert "'{0} [red]%s'" == str(UnillmrecError("'{0} [red]%s'"))
