import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.endpoint.wire.error_body import parse_error_body

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "detail", "message", "code", "param", "loc", "msg", "type"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("body", "message", "parameters"),
    [
        ({"message": "No such model", "param": "model"}, "No such model", ("model",)),
        ({"error": {"message": "No", "param": "response_format.type"}}, "No", ("response_format",)),
        ({"error": {"message": "No", "param": "messages[0].role"}}, "No", ("messages",)),
        ({"error": "No"}, "No", ()),
        ([{"error": {"message": "No"}}], "No", ()),
        ({"detail": "No"}, "No", ()),
        ({"detail": [{"loc": ["body", "seed"], "msg": "Extra"}]}, "Extra", ("seed",)),
        ("No", "No", ()),
        ("<html>No</html>", "", ()),
        (None, "", ()),
        ({"message": "two\nlines \u202e"}, "two lines", ()),
    ],
)
def test_parses_every_known_shape(body, message, parameters):
    """The message and the invalid parameters are found wherever a server puts them."""
    error_body = parse_error_body(body)

    assert (message, parameters) == (error_body.message, error_body.parameters)


@pytest.mark.parametrize(
    ("body", "trait"),
    [
        ({"code": "insufficient_quota"}, "is_money"),
        ({"type": "insufficient_quota", "code": None}, "is_money"),
        ({"code": "context_length_exceeded"}, "is_too_long"),
        ({"type": "exceed_context_size_error", "code": 400}, "is_too_long"),
        ({"n_prompt_tokens": 9000, "n_ctx": 8192}, "is_too_long"),
        ({"code": "content_filter"}, "is_filtered"),
        ({"code": "model_not_found"}, "is_unknown_model"),
        ({"param": "model"}, "is_unknown_model"),
    ],
)
def test_classifies_by_code_and_type_and_never_by_message(body, trait):
    """A code that only appears in the message changes nothing."""
    message = "insufficient_quota context_length_exceeded content_filter model_not_found"

    assert getattr(parse_error_body(body), trait)
    assert not getattr(parse_error_body({"message": message}), trait)


@given(JSON)
def test_any_body_can_be_parsed(body):
    """No JSON value raises an error."""
    error_body = parse_error_body(body)

    assert "\n" not in error_body.message
    assert len(error_body.message) <= 200
