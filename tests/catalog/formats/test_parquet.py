"""Parquet, through pyarrow."""

from __future__ import annotations

import datetime
import io
import sys
from decimal import Decimal

import pyarrow
import pytest
from pyarrow import parquet

from unillmrec.catalog import Columns, read_catalog
from unillmrec.errors import MissingExtraError


def packed(**columns):
    """Return a Parquet file of *columns*."""
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


def test_values_become_the_types_of_items(reader):
    """Dates become texts, decimals numbers, structs several columns; NaN and null are missing."""
    content = packed(
        id=[1, 2],
        title=["x", "y"],
        price=[1.5, float("nan")],
        day=[datetime.date(2020, 1, 2), None],
        cost=[Decimal("2.5"), None],
        tags=[["a", "b"], []],
        size=[{"width": 3}, None],
        raw=[b"abc", None],
    )
    catalog = reader("films.parquet", content)

    one, two = catalog

    assert {
        "price": 1.5,
        "day": "2020-01-02",
        "cost": 2.5,
        "tags": ("a", "b"),
        "size.width": 3,
        "raw": "abc",
    } == one.attributes
    assert ("2", {}) == (two.id, two.attributes)
    assert len(content) == catalog.position == catalog.size


def test_it_can_be_read_from_a_pipe():
    """Input that cannot seek is copied to a temporary file."""
    content = packed(id=["a"], title=["x"])

    catalog = read_catalog("-", stdin=io.BytesIO(content))

    assert ["a"] == [item.id for item in catalog]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (packed(id=[1.0], title=["x"]), "a.parquet, row 1: the id in column 'id' is 1.0; it must"),
        (
            packed(id=["a", "a"], title=["x", "y"]),
            "a.parquet, row 2: item id 'a' is already used in row 1.",
        ),
        (packed(id=["a"], title=["x"])[:60], "a.parquet: the Parquet data cannot be read after"),
        (packed(id=["a"], title=[b"\xff"]), "a.parquet, row 1: column 'title' holds bytes that"),
    ],
)
def test_problems_have_the_row(refusal, content, problem):
    """Parquet has rows instead of lines."""
    assert refusal("a.parquet", content).startswith(problem)


def test_two_columns_with_the_same_name(refusal):
    """The error names the column."""
    buffer = io.BytesIO()
    table = pyarrow.table([["a"], ["x"], ["y"]], names=["id", "title", "title"])
    parquet.write_table(table, buffer)

    assert refusal("a.parquet", buffer.getvalue()).startswith(
        "a.parquet: two columns are named 'title'."
    )


def test_a_missing_column_is_reported_at_once(refusal):
    """The columns are known before the first row."""
    message = refusal(
        "a.parquet", packed(id=["a"], title=["x"]), columns=Columns(text="description")
    )

    assert message.startswith("a.parquet: there is no column 'description'.")


def test_without_pyarrow_the_extra_is_named(reader, monkeypatch):
    """Parquet needs an extra, and the error says how to install it."""
    content = packed(id=["a"], title=["x"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingExtraError, match="pyarrow") as caught:
        list(reader("a.parquet", content))

    assert "pip install 'unillmrec[parquet]'" == caught.value.remedy
