"""Whatever bytes a server sends, a call ends with a reply or with one of our errors."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.raw_server import RawServer, chat, http
from unillmrec.endpoint import (
    AnswerError,
    CallError,
    Message,
    OpenAIEndpoint,
    Request,
    RetryPolicy,
)
from unillmrec.usage import Stage
from unillmrec.usage_log import LoggedEndpoint, UsageLog

QUIETLY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ZEROS = "0" * 400
NAMES = (
    *("choices", "message", "content", "usage", "prompt_tokens", "error", "code", "status"),
    *("n_ctx", "data", "embedding", "logprobs", "top_logprobs", "logprob"),
)
HUGE = st.sampled_from([2**63, 10**400, -1, 1e400, float("nan"), "9" * 5_000, True, None, [[]]])
VALUES = st.recursive(
    HUGE | st.integers() | st.floats() | st.text() | st.sampled_from(["\ud83d", "\udc00x"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)
HEADERS = st.lists(
    st.sampled_from(
        [
            b"Retry-After: " + b"9" * 20,
            b"Retry-After: -0",
            b"Retry-After: Fri, 31 Dec 99999 23:59:59 GMT",
            b"Retry-After: Mon, 01 Jan 0001 00:00:00 -2359",
            b"Retry-After: \xff\xfe",
            b"retry-after-ms: 1e999",
            b"Content-Type: \xff; charset=\xfe",
            b"Content-Type: text/plain; charset=rot13",
            b"Content-Encoding: gzip",
            b"Content-Encoding: br, gzip",
            b"Location: http://[::1",
            b"x-should-retry: \xf0\x9f\x98\x80",
        ]
    ),
    max_size=4,
    unique=True,
)
STATUSES = st.sampled_from([200, 200, 200, 201, 204, 301, 400, 401, 404, 413, 429, 500, 529, 999])


@pytest.fixture(scope="module")
def hostile():
    with RawServer(b"") as server:
        yield server


@pytest.fixture
def logged(hostile, tmp_path):
    """An endpoint to the hostile server whose calls are logged; warnings fail the test."""

    def fail(text):
        raise AssertionError(text)

    log = UsageLog(tmp_path / "usage", command="test", tree=tmp_path / "tree", warn=fail)
    options = {
        "base_url": hostile.base_url,
        "api_key": "sk-secret-key-123456",
        "retry_policy": RetryPolicy(attempts=1),
        "timeout_seconds": 5,
        "environ": {},
    }

    def ask(labels=()):
        # A new one each time: an earlier answer may have blocked all further calls.
        with OpenAIEndpoint("fake-model", **options) as endpoint:
            logged = LoggedEndpoint(endpoint, log)
            for call in (lambda: logged.complete(_request(labels)), lambda: logged.embed(["a"])):
                try:
                    answer = call()
                except (CallError, AnswerError) as error:
                    _check_error(error)
                else:
                    _check_answer(answer)

    with log:
        yield ask


def _request(labels):
    messages = (Message("user", "Choose.\nA. one\nB. two"),)
    return Request(Stage.RECALL, messages, max_output=20, labels=labels)


def _check_error(error):
    text = str(error)
    text.encode()
    assert "sk-secret" not in text
    assert len(text) < 2_000


def _check_answer(answer):
    text = getattr(answer, "text", "")
    text.encode()
    assert len(text) <= 320
    assert "sk-secret" not in text


@QUIETLY
@given(answer=st.binary(max_size=300))
def test_any_bytes_for_a_whole_answer(answer, hostile, logged):
    """Not even HTTP."""
    hostile.answer = answer
    logged()


@QUIETLY
@given(status=STATUSES, headers=HEADERS, body=st.binary(max_size=200))
def test_any_bytes_for_a_body(status, headers, body, hostile, logged):
    """With any status and headers."""
    hostile.answer = http(body, status=status, headers=headers)
    logged()


@QUIETLY
@given(status=STATUSES, headers=HEADERS, value=VALUES)
def test_any_json(status, headers, value, hostile, logged):
    """With numbers that no machine has, and halves of characters."""
    hostile.answer = http(json.dumps(value).encode(), status=status, headers=headers)
    logged()


@QUIETLY
@given(content=st.text() | st.sampled_from(["\ud83d", "sk-secret-key-123456"]), usage=VALUES)
def test_any_text_and_usage(content, usage, hostile, logged):
    """What is impossible is unknown, and is logged as such."""
    named = {"prompt_tokens": usage, "completion_tokens": 2**63, "total_tokens": usage}
    hostile.answer = http(chat(json.dumps(content)[1:-1], json.dumps(named)))
    logged()


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"choices": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"error": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"error": {"code": "' + b"9" * 5_000 + b'", "message": "no"}}',
        b'{"error": {"code": ' + b"9" * 5_000 + b', "message": "no"}}',
        b'{"data": [{"index": 0, "embedding": [1' + ZEROS.encode() + b", 1e308]}]}",
        chat(
            "A", more=', "logprobs": {"content": [{"token": "A", "logprob": -1' + "0" * 400 + "}]}"
        ),
        chat(r"\ud83d", '{"prompt_tokens": 9223372036854775808, "completion_tokens": NaN}'),
        b"\xff\xfe{\x00",
        b"\xed\xa0\xbd",
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_known_attacks(body, status, hostile, logged):
    """Each of these once ended a command with a traceback."""
    hostile.answer = http(body, status=status, headers=[b"Retry-After: " + b"9" * 20])
    logged()
    logged(labels=("A", "B"))
