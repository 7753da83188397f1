import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.endpoint.wire.error_body import read_complaint

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
def test_takes_every_known_form_apart(body, message, parameters):
    """Message and culprit are found wherever a server has put them."""
    complaint = read_complaint(body)

    assert (message, parameters) == (complaint.message, complaint.parameters)


@pytest.mark.parametrize(
    ("body", "trait"),
    [
        ({"code": "insufficient_quota"}, "is_money"),
        ({"type": "insufficient_quota", "code": None}, "is_money"),
        ({"code": "context_length_exceeded"}, "is_too_long"),
        ({"type": "exceed_context_size_error", "code": 400}, "is_too_long"),
        ({"n_prompt_tokens": 9000, "n_ctx": 8192}, "is_too_long"),
        ({"code": "content_filter"}, "is_filtered"),
        ({"code": "model_not_found"}, "is_model"),
        ({"param": "model"}, "is_model"),
    ],
)
def test_tells_by_code_and_type_and_never_by_wording(body, trait):
    """A message that only sounds like it changes nothing."""
    words = "insufficient_quota context_length_exceeded content_filter model_not_found"

    assert getattr(read_complaint(body), trait)
    assert not getattr(read_complaint({"message": words}), trait)


@given(JSON)
def test_any_body_gives_a_complaint(body):
    """Nothing a server sends breaks the reading of its error."""
    complaint = read_complaint(body)

    assert "\n" not in complaint.message
    assert len(complaint.message) <= 200
