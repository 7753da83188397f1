import http.client
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor, as_completed

import openai
import pytest

from unillmrec.testing import DIALECTS, FakeServer, Fault, FaultKind

BODY = {
    "model": "m",
    "messages": [{"role": "user", "content": 'Slow rivers?\n1. Cars\n2. Rivers\n{"order": []}'}],
}


def post(server, body=BODY, route="/chat/completions", key="x"):
    """Send *body* without any client library; return status, body and headers."""
    request = urllib.request.Request(
        server.base_url + route,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


def answer_of(content):
    return json.loads(content)["choices"][0]


def test_the_real_client_gets_a_sensible_answer():
    """The openai client, as people use it, talks to the fake server."""
    with FakeServer() as server, openai.OpenAI(base_url=server.base_url, api_key="x") as client:
        completion = client.chat.completions.create(
            model="m", messages=BODY["messages"], response_format={"type": "json_object"}
        )
        models = client.models.list()
        vectors = client.embeddings.create(
            model="m", input=["a", "b"], encoding_format="float"
        ).data

    assert {"order": [2, 1]} == json.loads(completion.choices[0].message.content)
    assert ["fake-model"] == [model.id for model in models]
    assert [0, 1] == [vector.index for vector in vectors]


def test_the_bill_is_the_sum_of_reported_usage():
    """The server keeps its own bill, which equals the sum of its replies."""
    with FakeServer() as server:
        usages = [json.loads(post(server)[1])["usage"] for _ in range(3)]

    assert 3 == server.billed.calls
    assert sum(usage["prompt_tokens"] for usage in usages) == server.billed.prompt
    assert sum(usage["completion_tokens"] for usage in usages) == server.billed.completion


def test_a_function_writes_the_answers():
    """It gets the body of the request, and its text is sent unchanged."""
    with FakeServer(answer=lambda body: body["model"] * 2) as server:
        _, content, _ = post(server)

    assert "mm" == answer_of(content)["message"]["content"]


def test_a_failing_function_is_reported_to_the_client():
    """So a mistake in a test is easy to see."""
    with FakeServer(answer=lambda body: body["nothing"]) as server:
        status, content, _ = post(server)

    assert 500 == status
    assert b"KeyError('nothing')" in content


def test_an_answer_is_truncated_at_the_limit():
    """Whichever parameter carries the limit."""
    with FakeServer(answer=lambda body: "word " * 50, count=lambda text: len(text) // 5) as server:
        cut = [
            answer_of(post(server, BODY | {name: 10})[1])
            for name in ("max_tokens", "max_completion_tokens")
        ]

    assert ["length", "length"] == [choice["finish_reason"] for choice in cut]
    assert ["word " * 10] * 2 == [choice["message"]["content"] for choice in cut]
    assert 20 == server.billed.completion


# The status and text that a client gets for each fault, and how many answers are billed.
SEEN = [
    (Fault.status(429, retry_after=3), 429, b"rate_limit_exceeded", 0),
    (Fault.quota(), 429, b"insufficient_quota", 0),
    (Fault.too_long(), 400, b"n_ctx", 0),
    (503, 503, b"Scripted error 503", 0),
    (FaultKind.HTML, 200, b"<!DOCTYPE html>", 0),
    (FaultKind.ERROR_BODY, 200, b'"error"', 0),
    (Fault.refuse("model"), 400, b'"param": "model"', 0),
    (Fault.refuse("seed"), 200, b'"choices"', 1),
    (FaultKind.EMPTY_CHOICES, 200, b'"choices": []', 1),
    (FaultKind.NULL_CONTENT, 200, b'"content": null', 1),
    (FaultKind.WRONG_USAGE, 200, b'"prompt_tokens": -5', 1),
    (FaultKind.THOUGHT_AWAY, 200, b'"finish_reason": "length"', 1),
    (FaultKind.FILTER, 200, b"content_filter", 1),
    (FaultKind.REFUSAL, 200, b"I cannot help", 1),
    (FaultKind.CUT, 200, b'"finish_reason": "length"', 1),
]


@pytest.mark.parametrize(
    ("fault", "status", "words", "billed"), SEEN, ids=[str(row[2]) for row in SEEN]
)
def test_faults_happen_once_and_in_order(fault, status, words, billed):
    """The first request meets the fault, the second one does not."""
    with FakeServer(faults=[fault]) as server:
        first, content, _ = post(server)
        second, _, _ = post(server)

    assert (status, 200) == (first, second)
    assert words in content
    assert billed + 1 == server.billed.calls
    assert [status, 200] == server.statuses


def test_the_header_asks_for_a_pause():
    """In the Retry-After header, as seconds or a date."""
    with FakeServer(faults=[Fault.status(429, retry_after=3)]) as server:
        _, _, headers = post(server)

    assert "3" == headers["Retry-After"]


def test_usage_can_be_missing():
    """The field is left out, as by some servers."""
    with FakeServer(faults=[FaultKind.NO_USAGE]) as server:
        assert "usage" not in json.loads(post(server)[1])


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.DROP, http.client.IncompleteRead),
        (FaultKind.RESET, (http.client.RemoteDisconnected, ConnectionError)),
    ],
)
def test_connections_are_dropped(kind, error):
    """In the middle of the body, or before any answer."""
    with FakeServer(faults=[kind]) as server, pytest.raises(error):
        post(server)


def test_truncated_json_has_a_matching_length():
    """The HTTP length is right, but the JSON is not valid."""
    with FakeServer(faults=[FaultKind.CUT_JSON]) as server:
        status, content, _ = post(server)

    assert 200 == status
    with pytest.raises(json.JSONDecodeError):
        json.loads(content)


def test_slow_and_dripping_answers_take_their_time():
    """The complete answer arrives in the end."""
    with FakeServer(
        answer=lambda body: "x", faults=[Fault.slow(0.1), Fault.drip(0.0005)]
    ) as server:
        started = time.monotonic()
        slow = post(server)[1]
        between = time.monotonic()
        dripping = post(server)[1]
        ended = time.monotonic()

    assert ["x", "x"] == [answer_of(each)["message"]["content"] for each in (slow, dripping)]
    assert 0.1 <= between - started
    assert 0.0005 * len(dripping) <= ended - between


def test_a_function_chooses_faults_by_request_number():
    """For random faults, and for faults that never end."""
    with FakeServer(faults=lambda place: 503 if place % 2 else None) as server:
        assert [200, 503, 200, 503] == [post(server)[0] for _ in range(4)]


def test_only_the_right_key_is_accepted():
    """For tests with a wrong key."""
    with FakeServer(key="right") as server:
        assert [401, 200] == [post(server, key=key)[0] for key in ("wrong", "right")]


@pytest.mark.parametrize(
    ("dialect", "extra", "status", "words"),
    [
        ("no-logprobs", {"logprobs": True}, 400, b'"param": "logprobs"'),
        ("no-max-tokens", {"max_tokens": 5}, 400, b'"param": "max_tokens"'),
        ("known-fields-only", {"max_completion_tokens": 5}, 422, b'"loc": ["body"'),
        ("known-fields-only", {"max_tokens": 500}, 200, b"choices"),
        ("schema-refused-400", {"response_format": {"type": "json_schema"}}, 400, b"unavailable"),
        ("schema-refused-400", {"response_format": {"type": "json_object"}}, 200, b"choices"),
        ("schema-refused-500", {"response_format": {"type": "json_schema"}}, 500, b"Bad request"),
        ("plain-text-only", {"response_format": {"type": "json_object"}}, 422, b"response_format"),
        ("no-usage", {}, 200, b"choices"),
    ],
)
def test_dialects_refuse_unsupported_parameters(dialect, extra, status, words):
    """Each with its own status and message."""
    with FakeServer(dialect=dialect) as server:
        seen, content, _ = post(server, BODY | extra)

    assert status == seen
    assert words in content


def test_dialects_that_ignore_a_schema_answer_in_prose():
    """One that enforces it answers in JSON."""
    schema = {"type": "object", "properties": {"order": {}}}
    asked = {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}
    texts = []
    for dialect in ("strict-schema", "schema-ignored"):
        with FakeServer(dialect=DIALECTS[dialect]) as server:
            texts.append(answer_of(post(server, BODY | asked)[1])["message"]["content"])

    assert '{"order": [2, 1]}' == texts[0]
    assert texts[1].endswith("[2] > [1]")


def test_unknown_routes_and_bad_bodies_are_errors():
    """The server survives any request."""
    with FakeServer() as server:
        assert 404 == post(server, route="/nothing")[0]
        assert 400 == post(server, body=[])[0]
        assert 200 == post(server)[0]


def test_nothing_listens_after_the_end():
    """The port is free, and open connections are closed."""
    with FakeServer() as server:
        port = int(server.base_url.split(":")[2].split("/")[0])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/v1/models")
        connection.getresponse().read()

    assert b"" == connection.sock.recv(1)
    connection.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=60)


def test_too_many_at_once_are_refused():
    """As by a server with a fixed number of slots and no queue."""
    refused = threading.Event()

    def answer(body):
        refused.wait(60)
        return "x"

    statuses = []
    with FakeServer(answer, allows=2) as server, ThreadPoolExecutor(6) as pool:
        for call in as_completed([pool.submit(post, server) for _ in range(6)]):
            statuses.append(call.result()[0])
            refused.set()

    assert {200, 429} == set(statuses)
    assert statuses.count(200) == server.billed.calls


def test_latency_depends_only_on_the_seed(monkeypatch):
    """The same requests take the same time in every run."""
    runs = []
    for _ in range(2):
        pauses = []
        monkeypatch.setattr(time, "sleep", pauses.append)
        with FakeServer(answer=lambda body: "x", seconds=(0.0, 0.2), seed=3) as server:
            for _ in range(6):
                post(server)
        runs.append(pauses)

    assert max(runs[0]) - min(runs[0]) > 0.05
    assert runs[0] == runs[1]


def test_a_prefix_cache_is_reported_and_billed():
    """Cached tokens are a part of the prompt's."""
    with FakeServer(prefix_cache=5) as server:
        usages = [json.loads(post(server)[1])["usage"] for _ in range(2)]

    cached = [usage["prompt_tokens_details"]["cached_tokens"] for usage in usages]
    assert 0 == cached[0] < cached[1] <= usages[1]["prompt_tokens"]
    assert sum(cached) == server.billed.cached


def test_a_prompt_is_truncated_silently():
    """Only the usage shows it."""
    with FakeServer(faults=[Fault.prompt_cut(7)]) as server:
        status, content, _ = post(server)

    assert (200, 7) == (status, json.loads(content)["usage"]["prompt_tokens"])


def test_requests_need_not_be_kept():
    """For a server that runs for days; requests and connections are still counted."""
    with FakeServer(keep=False) as server:
        for _ in range(3):
            post(server)

    assert (3, 3, []) == (server.received, server.connections, server.requests)
