import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.replies.json_fragments import Fragment, fragments

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nothing", []),
        ("[2] > [1]", [([2], True), ([1], True)]),
        ('a {"b": [1, "c"]} d', [({"b": [1, "c"]}, True)]),
        ("{'a': True, b: None, 'c': 'it\\'s',}", [({"a": True, "b": None, "c": "it's"}, True)]),
        ('{"a": 50%, "b": +3, "c": -2.5e1}', [({"a": 50, "b": 3, "c": -25.0}, True)]),
        ('{"a": [1, 2', [({"a": [1]}, False)]),
        ('{"a": [1, 2}', [({"a": [1, 2]}, True)]),
        ('{"a": "cut te', [({}, False)]),
        ('{"a": {"b": 1, "c"', [({"a": {"b": 1}}, False)]),
        ('{I think {"a": 1}', [({}, False), ({"a": 1}, True)]),
        ("[don't] [1]", [([], False), ([1], True)]),
        ('{"a" "b"}', [({}, False)]),
        ("[3.5.1]", [([], False)]),
        ("]}[", [([], False)]),
        ('{"a": 1234567890123456, "b": NaN}', [({"a": 1.234567890123456e15, "b": None}, True)]),
    ],
)
def test_finds_json_in_any_text(text, expected):
    """The text around it is left out; of a value that breaks off, the complete parts are kept."""
    assert [Fragment(*each) for each in expected] == list(fragments(text))


def test_deeply_nested_values_are_incomplete():
    """Even valid JSON: nothing that we ask for is as deep."""
    assert not next(fragments("[" * 30 + "]" * 30)).complete
    assert next(fragments("[" * 20 + "]" * 20)).complete


@given(st.lists(JSON, max_size=3) | st.dictionaries(st.text(max_size=6), JSON, max_size=3))
def test_parses_what_the_standard_library_writes(value):
    """Valid JSON is parsed exactly, also with prose around it."""
    expected = [Fragment(value, complete=True)]

    assert expected == list(fragments(json.dumps(value)))
    assert expected == list(fragments(f"Here: {json.dumps(value, ensure_ascii=False)} there"))


@given(JSON.filter(lambda value: isinstance(value, dict | list)), st.data())
def test_a_truncated_value_is_never_complete(value, data):
    """However little is missing at the end."""
    text = json.dumps(value)
    end = data.draw(st.integers(1, len(text) - 1))

    found = list(fragments(text[:end]))

    assert not found[0].complete
    assert type(value) is type(found[0].value)
