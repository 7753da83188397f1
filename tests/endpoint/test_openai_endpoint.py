import contextlib
import re
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx2
import pytest

from unillmrec.budget import Budget, BudgetTracker
from unillmrec.endpoint import (
    AnswerError,
    CallError,
    FailureKind,
    Message,
    OpenAIEndpoint,
    Request,
    RequestStyle,
    RetryPolicy,
    usage_of,
)
from unillmrec.errors import BudgetError, EndpointError, ReplyError, SettingsError
from unillmrec.testing import DIALECTS, Dialect, FakeServer, Fault, FaultKind
from unillmrec.testing.dialects import Refusal
from unillmrec.usage import Stage, Usage

KEY = "sk-secret-key-123456"
ANSWER = '{"picks": [{"number": 2, "score": 90}]}'


def failure_of(endpoint, request):
    with pytest.raises((CallError, AnswerError)) as caught:
        endpoint.complete(request)
    return caught.value


def test_a_good_answer_comes_back_with_its_usage(server_with, endpoint_to, question):
    """With its text, model, finish reason and the server's counts."""
    server = server_with(answer=lambda body: ANSWER)

    reply = endpoint_to(server).complete(question)

    assert ANSWER == reply.text
    assert ("json_schema", "stop", "fake-model") == (reply.asked_with, reply.finish, reply.model)
    assert (0, 0) == (reply.retries, reply.refused)
    assert server.billed == reply.usage
    assert 1 == reply.usage.calls


def test_only_necessary_fields_are_sent(server_with, endpoint_to, question):
    """Some servers refuse every field that they do not know."""
    server = server_with()

    endpoint_to(server).complete(question)

    body = server.requests[0]
    needed = {"model", "messages", "max_completion_tokens", "temperature", "response_format"}
    assert needed == body.keys()
    assert 0 == body["temperature"]
    assert ("fake-model", 200) == (body["model"], body["max_completion_tokens"])
    assert {"role": "system", "content": "You choose."} == body["messages"][0]
    schema = {"name": "picks", "strict": True, "schema": question.schema.body}
    assert {"type": "json_schema", "json_schema": schema} == body["response_format"]


def test_a_request_without_a_schema_asks_for_text(server_with, endpoint_to):
    """No response format is sent, as the reply shows."""
    server = server_with(answer=lambda body: "Hello.")
    request = Request(Stage.PROFILE, (Message("user", "Hello?"),), max_output=20)

    reply = endpoint_to(server).complete(request)

    assert ("Hello.", "text") == (reply.text, reply.asked_with)
    assert "response_format" not in server.requests[0]


def test_the_key_is_sent_but_no_account_headers(server_with, endpoint_to, question, monkeypatch):
    """Organization and project belong to OpenAI, not to another host."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org-mine")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-mine")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer sk-other")
    server = server_with()

    endpoint_to(server).complete(question)

    headers = server.headers[0]
    assert f"Bearer {KEY}" == headers["authorization"]
    assert "" == headers.get("openai-organization", "") == headers.get("openai-project", "")


def test_extra_fields_are_sent_and_not_negotiated(server_with, endpoint_to, question):
    """They are sent as they are, and replace our own."""
    server = server_with()
    extra = {"temperature": 0, "max_tokens": 7, "response_format": {"type": "text"}}

    reply = endpoint_to(server, extra_body=extra).complete(question)

    body = server.requests[0]
    assert extra == {name: body[name] for name in extra}
    assert "max_completion_tokens" not in body
    assert "text" == reply.asked_with


def test_extra_fields_cannot_replace_the_prompt(endpoint_to):
    """All counts would be wrong."""
    with pytest.raises(SettingsError, match="'messages'"):
        endpoint_to("http://127.0.0.1:1/v1", extra_body={"messages": []})


# What one unchanged call comes to on each kind of server: the statuses of the first call, how
# it was asked, and how the next call is going to ask.
BEST = RequestStyle("json_schema", "max_completion_tokens")
NEGOTIATIONS = {
    "strict-schema": ([200], "json_schema", BEST),
    "schema-refused-400": ([400, 200], "json_object", RequestStyle("json_object")),
    "schema-refused-500": ([500, 500, 200], "json_object", RequestStyle("json_object")),
    "schema-ignored": ([200], "json_schema", RequestStyle("json_object")),
    "no-usage": ([200], "json_schema", BEST),
    "no-logprobs": ([200], "json_schema", BEST),
    "no-max-tokens": ([200], "json_schema", BEST),
    "known-fields-only": ([422, 200], "json_schema", RequestStyle("json_schema", "max_tokens")),
    "plain-text-only": ([422, 422, 200], "text", RequestStyle("text")),
    "logprobs": ([200], "json_schema", BEST),
    "thinking": ([400, 200], "json_schema", RequestStyle(temperature=False)),
    "cuts-prompts": ([200], "json_schema", BEST),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_is_negotiated(dialect, server_with, endpoint_to, question):
    """Refused parameters change one at a time, and the second call meets no refusal."""
    statuses, asked_with, style = NEGOTIATIONS[dialect]
    server = server_with(dialect=dialect)
    endpoint = endpoint_to(server)

    first = endpoint.complete(question)
    after_first = list(server.statuses)
    second = endpoint.complete(question)

    assert (statuses, asked_with) == (after_first, first.asked_with)
    assert style == endpoint.request_style
    assert [*statuses, 200] == server.statuses
    assert style.response_format == second.asked_with
    assert 1 == first.usage.calls == second.usage.calls
    assert len(statuses) - 1 == first.retries + first.refused


@pytest.mark.parametrize("named", ["param", "loc", "text", "nowhere"])
@pytest.mark.parametrize("status", [400, 422, 500, 501])
def test_a_refusal_is_recognized_in_every_form(named, status, server_with, endpoint_to, question):
    """Whether the parameter is named in a field, in the message, or not at all."""
    dialect = Dialect(refuses={"response_format": Refusal(status, named)})
    server = server_with(dialect=dialect)
    endpoint = endpoint_to(server)

    reply = endpoint.complete(question)

    assert ("text", "text") == (reply.asked_with, endpoint.request_style.response_format)


def test_a_single_error_500_is_no_refusal(server_with, endpoint_to, question):
    """The strictest response format stays."""
    server = server_with(faults=[500, None])

    reply = endpoint_to(server).complete(question)

    assert ("json_schema", 1, 0) == (reply.asked_with, reply.retries, reply.refused)


def test_errors_500_after_a_success_never_change_the_style(server_with, endpoint_to, question):
    """A format that was accepted once is not the cause."""
    server = server_with(faults=[None, 500, 500, 500, 500, 500, 500, 500])
    endpoint = endpoint_to(server)
    endpoint.complete(question)

    failure = failure_of(endpoint, question)

    assert (FailureKind.SERVER, 3, 0) == (failure.kind, failure.retries, failure.refused)
    assert "json_schema" == endpoint.request_style.response_format


def test_the_limit_parameter_is_replaced_only_once(server_with, endpoint_to, question):
    """A server that accepts neither parameter is an error, not an endless loop."""
    refuses = {"max_tokens": Refusal(), "max_completion_tokens": Refusal()}
    server = server_with(dialect=Dialect(refuses=refuses))

    failure = failure_of(endpoint_to(server), question)

    assert (FailureKind.REFUSED, 1) == (failure.kind, failure.refused)
    assert 2 == len(server.requests)


@pytest.mark.parametrize(
    "fixed",
    [
        ({"response_format": "json_object"}, "response_format"),
        ({"limit_parameter": "max_tokens"}, "max_tokens"),
    ],
)
def test_fixed_parameters_are_not_negotiated(fixed, server_with, endpoint_to, question):
    """A setting of the user wins over what the server prefers."""
    options, refused = fixed
    server = server_with(dialect=Dialect(refuses={refused: Refusal()}))

    failure = failure_of(endpoint_to(server, **options), question)

    assert (FailureKind.REFUSED, 0) == (failure.kind, failure.refused)
    assert 1 == len(server.requests)


def test_a_refused_extra_field_is_an_error(server_with, endpoint_to, question):
    """It is never left out silently."""
    server = server_with(dialect=Dialect(refuses={"seed": Refusal()}))

    failure = failure_of(endpoint_to(server, extra_body={"seed": 1}), question)

    assert FailureKind.REFUSED is failure.kind
    assert "'seed'" in str(failure)


def test_json_object_is_not_sent_without_the_word(server_with, endpoint_to, question):
    """Several servers refuse that format unless the prompt contains "JSON"."""
    server = server_with(dialect="schema-refused-400")
    request = Request(Stage.RECALL, (Message("user", "1. a"),), 50, question.schema)

    reply = endpoint_to(server).complete(request)

    assert "text" == reply.asked_with


def test_threads_learn_one_style_together(server_with, endpoint_to, question):
    """Many simultaneous first calls all succeed, and agree on the style."""
    server = server_with(dialect="plain-text-only")
    endpoint = endpoint_to(server)

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: endpoint.complete(question), range(24)))

    assert {"text"} == {reply.asked_with for reply in replies}
    assert RequestStyle("text") == endpoint.request_style
    assert 24 == server.billed.calls


def test_temperature_0_is_sent_until_a_server_refuses_it(server_with, endpoint_to, question):
    """Only this parameter is dropped, because the message names it."""
    server = server_with(dialect=Dialect(refuses={"temperature": Refusal(400, "text")}))
    endpoint = endpoint_to(server)

    first, second = endpoint.complete(question), endpoint.complete(question)

    assert (1, 0) == (first.refused, second.refused)
    assert [True, False, False] == ["temperature" in body for body in server.requests]
    assert {"json_schema"} == {first.asked_with, second.asked_with}


def test_a_nameless_refusal_of_the_temperature_costs_no_format(server_with, endpoint_to, question):
    """It is the last suspect; without it the formats are tried again."""
    server = server_with(dialect=Dialect(refuses={"temperature": Refusal(400, "nowhere")}))
    endpoint = endpoint_to(server)

    first, second = endpoint.complete(question), endpoint.complete(question)

    assert ("text", 3) == (first.asked_with, first.refused)
    assert ("json_schema", 0) == (second.asked_with, second.refused)


@pytest.mark.parametrize("limit", [200, 30])
def test_a_reasoning_model_gets_no_temperature_0(limit, server_with, endpoint_to, question):
    """It might repeat itself; reasoning shows in the first answer, or in its absence."""
    server = server_with(dialect=Dialect(thinks=True))
    endpoint = endpoint_to(server)

    for _ in range(2):
        with contextlib.suppress(AnswerError):
            endpoint.complete(replace(question, max_output=limit))

    assert [True, False] == ["temperature" in body for body in server.requests]


def test_a_temperature_in_the_extra_fields_wins(server_with, endpoint_to, question):
    """Ours is not sent."""
    server = server_with()

    endpoint_to(server, extra_body={"temperature": 0.7}).complete(question)

    assert 0.7 == server.requests[0]["temperature"]


LETTERS = Request(
    Stage.RECALL,
    (Message("user", "Likes slow rivers.\nA. A fast car\nB. Slow rivers\nC. Dry rivers\nLetter:"),),
    max_output=1,
    labels=("A", "B", "C"),
)


def test_labels_are_returned_with_their_probabilities(server_with, endpoint_to):
    """The request asks for one token and its alternatives, and for nothing else."""
    server = server_with(dialect="logprobs")

    reply = endpoint_to(server).complete(LETTERS)

    body = server.requests[0]
    assert (1, True, 20) == tuple(
        body[name] for name in ("max_completion_tokens", "logprobs", "top_logprobs")
    )
    assert not {"temperature", "response_format"} & body.keys()
    assert ("labels", "B", 1) == (reply.asked_with, reply.text, reply.usage.completion)
    assert ["B", "C", "A"] == [label for label, _ in reply.shares]
    assert 0.9 < sum(share for _, share in reply.shares) < 1


@pytest.mark.parametrize(
    ("dialect", "sent"),
    [
        ("strict-schema", [True, False]),
        ("no-logprobs", [True, False, False]),
        ("known-fields-only", [True, True, False, False]),
    ],
)
def test_missing_log_probabilities_are_not_requested_again(dialect, sent, server_with, endpoint_to):
    """Whether ignored or refused, the reply is a text without shares."""
    server = server_with(dialect=dialect)
    endpoint = endpoint_to(server)

    replies = [endpoint.complete(LETTERS) for _ in range(2)]

    assert [(), ()] == [reply.shares for reply in replies]
    assert sent == ["logprobs" in body for body in server.requests]
    assert endpoint.request_style.labels is False


def test_one_answer_without_log_probabilities_is_an_accident(server_with, endpoint_to):
    """If they have worked before, they are requested again."""
    server = server_with(dialect="logprobs")
    endpoint = endpoint_to(server)
    endpoint.complete(LETTERS)
    server.dialect = DIALECTS["strict-schema"]

    reply = endpoint.complete(LETTERS)

    assert ((), True) == (reply.shares, endpoint.request_style.labels)


def test_fixed_labels_are_not_given_up(server_with, endpoint_to):
    """The user gets an error if the server refuses them."""
    server = server_with(dialect="no-logprobs")

    failure = failure_of(endpoint_to(server, labels=True), LETTERS)

    assert (FailureKind.REFUSED, 0) == (failure.kind, failure.refused)
    assert "logprobs" in str(failure)


def test_a_later_process_meets_no_known_refusal(server_with, endpoint_to, question, tmp_path):
    """Refusals are stored in a file, and read from it."""
    store = tmp_path / "notes" / "endpoints.json"
    server = server_with(dialect="plain-text-only")
    endpoint_to(server, capabilities_file=store).complete(question)
    refusals = len(server.requests)

    endpoint_to(server, capabilities_file=store).complete(question)

    assert (3, 4) == (refusals, len(server.requests))
    assert KEY not in store.read_text()


def test_nothing_is_stored_if_nothing_was_refused(server_with, endpoint_to, question, tmp_path):
    """The defaults work."""
    endpoint_to(server_with(), capabilities_file=tmp_path / "notes.json").complete(question)

    assert not (tmp_path / "notes.json").exists()


def test_a_stored_style_that_fails_is_replaced_once(server_with, endpoint_to, question, tmp_path):
    """A changed server is negotiated with again, and the result is stored."""
    store = tmp_path / "notes.json"
    server = server_with(dialect="schema-refused-400")
    endpoint_to(server, capabilities_file=store).complete(question)
    server.dialect = Dialect(refuses={"json_object": Refusal(400, "nowhere")})

    changed = endpoint_to(server, capabilities_file=store).complete(question)
    after = len(server.requests)
    again = endpoint_to(server, capabilities_file=store).complete(question)

    assert ("json_schema", 1) == (changed.asked_with, changed.refused)
    assert ("json_schema", 0) == (again.asked_with, again.refused)
    assert after + 1 == len(server.requests)


def test_fixed_parameters_are_not_stored(server_with, endpoint_to, question, tmp_path):
    """They say nothing about the server; what is learned beside them is stored."""
    store = tmp_path / "notes.json"
    server = server_with(dialect="known-fields-only")

    endpoint_to(server, capabilities_file=store, response_format="text").complete(question)

    style = endpoint_to(server, capabilities_file=store).request_style
    assert RequestStyle("json_schema", "max_tokens") == style


def test_concurrency_is_limited(server_with, endpoint_to, question):
    """The limit holds across all threads that share the endpoint."""
    server = server_with(seconds=0.02)
    endpoint = endpoint_to(server, concurrency=3)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda _: endpoint.complete(question), range(12)))

    assert 3 == server.most_at_once


# Fault, kind, status, retryable, requests sent, answers that were paid for.
FAILURES = [
    (Fault.status(401), FailureKind.KEY, 401, False, 1, 0),
    (Fault.status(403), FailureKind.KEY, 403, False, 1, 0),
    (Fault.status(402), FailureKind.MONEY, 402, False, 1, 0),
    (Fault.quota(), FailureKind.MONEY, 429, False, 1, 0),
    (Fault.status(404), FailureKind.MODEL, 404, False, 1, 0),
    (Fault.status(429), FailureKind.RATE, 429, True, 4, 0),
    (Fault.status(503), FailureKind.SERVER, 503, True, 4, 0),
    (Fault.status(529), FailureKind.SERVER, 529, True, 4, 0),
    (Fault.status(408), FailureKind.SERVER, 408, True, 4, 0),
    (Fault.too_long(), FailureKind.TOO_LONG, 400, False, 1, 0),
    (Fault.status(400, code="context_length_exceeded"), FailureKind.TOO_LONG, 400, False, 1, 0),
    (Fault.status(413), FailureKind.TOO_LONG, 413, False, 1, 0),
    (Fault.status(400, param="messages"), FailureKind.REFUSED, 400, False, 1, 0),
    (Fault.status(400), FailureKind.REFUSED, 400, False, 4, 0),
    (Fault(FaultKind.HTML), FailureKind.FOREIGN, 200, False, 1, 0),
    (Fault(FaultKind.ERROR_BODY), FailureKind.REFUSED, 200, False, 1, 0),
    (Fault(FaultKind.ERROR_BODY, error={"code": 502}), FailureKind.SERVER, 502, True, 4, 0),
    (Fault(FaultKind.RESET), FailureKind.UNREACHABLE, None, True, 4, 0),
    (Fault(FaultKind.DROP), FailureKind.BROKEN, 200, True, 4, 4),
    (Fault(FaultKind.CUT_JSON), FailureKind.BROKEN, 200, True, 4, 4),
]


@pytest.mark.parametrize(
    ("fault", "kind", "status", "retryable", "sent", "paid"),
    FAILURES,
    ids=[f"{row[0].kind}-{row[0].code}-{row[1]}".replace(" ", "-") for row in FAILURES],
)
def test_every_failure_has_a_kind_and_a_remedy(
    fault, kind, status, retryable, sent, paid, server_with, endpoint_to, question
):
    """Failures that may pass are retried, up to four attempts, and paid answers are billed."""
    server = server_with(faults=[fault] * 9)

    failure = failure_of(endpoint_to(server), question)

    assert (kind, status, retryable) == (failure.kind, failure.status, failure.retryable)
    assert (sent, paid) == (len(server.requests), usage_of(failure).calls)
    assert failure.remedy
    assert KEY not in f"{failure!s} {failure!r} {failure.__cause__!r}"
    assert paid == server.billed.calls


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (FaultKind.EMPTY_CHOICES, FailureKind.EMPTY),
        (FaultKind.NULL_CONTENT, FailureKind.EMPTY),
        (FaultKind.THOUGHT_AWAY, FailureKind.CUT),
        (FaultKind.FILTER, FailureKind.FILTERED),
        (FaultKind.REFUSAL, FailureKind.FILTERED),
    ],
)
def test_an_answer_without_text_is_an_error_with_usage(
    fault, kind, server_with, endpoint_to, question
):
    """It is not retried, which would cost as much again, and its cost is not lost."""
    server = server_with(faults=[fault] * 3)

    failure = failure_of(endpoint_to(server), question)

    assert isinstance(failure, ReplyError)
    assert kind is failure.kind
    assert server.billed == usage_of(failure)
    assert 1 == len(server.requests)


def test_a_truncated_answer_is_returned_with_its_finish_reason(server_with, endpoint_to, question):
    """Its complete parts can be used, and it proves nothing about the schema."""
    server = server_with(faults=[FaultKind.CUT])
    endpoint = endpoint_to(server)

    reply = endpoint.complete(question)

    assert "length" == reply.finish
    assert reply.text.startswith('{"picks"')
    assert "json_schema" == endpoint.request_style.response_format


@pytest.mark.parametrize("fault", [FaultKind.NO_USAGE, FaultKind.WRONG_USAGE])
def test_missing_or_impossible_usage_is_unknown(fault, server_with, endpoint_to, question):
    """Unknown is not zero."""
    reply = endpoint_to(server_with(faults=[fault])).complete(question)

    assert Usage(1, None, None, None, None) == reply.usage


def test_failed_attempts_are_billed(server_with, endpoint_to, question):
    """An answer that broke off was paid for; its tokens are unknown."""
    server = server_with(faults=[FaultKind.DROP, None])

    reply = endpoint_to(server).complete(question)

    assert (2, None) == (reply.usage.calls, reply.usage.prompt)
    assert 1 == reply.retries


def test_the_message_for_a_rejected_key(server_with, endpoint_to, question):
    """It says what happened where, the origin and length of the key, and one remedy."""
    message = f"Incorrect API key provided: {KEY}. Find yours at sk-12345678."
    server = server_with(faults=[Fault.status(401, message=message)])

    failure = failure_of(endpoint_to(server), question)

    assert (
        f"{server.base_url} answered HTTP 401 for model 'fake-model'.\n"
        "  It says: 'Incorrect API key provided: [key]. Find yours at [key].'."
        " The key came from api_key (set, 20 characters).\n"
        "  Try: export a valid OPENAI_API_KEY, or use --base-url for a local server."
    ) == str(failure)
    assert failure.__cause__ is None


def test_waits_double_and_end(server_with, endpoint_to, question, pauses):
    """Three waits, each about twice the one before."""
    failure = failure_of(endpoint_to(server_with(faults=[503] * 9)), question)

    assert "It was tried 4 times." in failure.detail
    assert 3 == len(pauses)
    assert all(
        0.75 * seconds <= pause <= seconds
        for pause, seconds in zip(pauses, [0.5, 1, 2], strict=True)
    )


@pytest.mark.parametrize(
    ("status", "attempts"),
    [(500, "It was tried 7 times, in 4 ways."), (400, "It was tried 4 times, in 4 ways.")],
)
def test_the_error_counts_every_attempt(server_with, endpoint_to, question, status, attempts):
    """With changed parameters or without."""
    server = server_with(faults=[Fault.status(status)] * 9)

    failure = failure_of(endpoint_to(server), question)

    assert attempts in failure.detail
    assert f"tried {len(server.requests)} times" in failure.detail


def test_the_wait_is_as_long_as_the_server_demands(server_with, endpoint_to, question, pauses):
    """Retrying earlier would only prolong the limit."""
    server = server_with(faults=[Fault.status(429, retry_after=7), None])

    endpoint_to(server).complete(question)

    assert 1 == len(pauses)
    assert 7 <= pauses[0] <= 7.7


@pytest.mark.parametrize("asked", [61, 3600])
def test_a_demanded_wait_that_is_too_long_ends_the_call(
    asked, server_with, endpoint_to, question, pauses
):
    """The error says how long the server wants us to wait."""
    server = server_with(faults=[Fault.status(429, retry_after=asked), None])

    failure = failure_of(endpoint_to(server), question)

    assert (FailureKind.RATE, []) == (failure.kind, pauses)
    assert f"It asks to wait {asked} seconds." in failure.detail


@pytest.mark.parametrize("fault", [Fault.slow(60), Fault.drip(1)], ids=["slow", "drip"])
def test_a_call_ends_at_its_timeout(fault, server_with, endpoint_to, question):
    """Also if the body arrives byte by byte."""
    server = server_with(faults=[fault] * 2)
    endpoint = endpoint_to(server, timeout_seconds=0.2)

    started = time.monotonic()
    failure = failure_of(endpoint, question)

    assert time.monotonic() - started < 30
    assert (FailureKind.TIMEOUT, False) == (failure.kind, failure.retryable)
    assert "0.2 seconds" in str(failure)
    assert usage_of(failure).prompt is None


def test_a_wait_that_exceeds_the_timeout_ends_the_call(server_with, endpoint_to, question, pauses):
    """The timeout includes retries."""
    endpoint = endpoint_to(server_with(faults=[503] * 9), timeout_seconds=0.3)

    failure = failure_of(endpoint, question)

    assert (FailureKind.SERVER, []) == (failure.kind, pauses)


def test_closing_stops_calls_in_flight(server_with, endpoint_to, question):
    """A thread that waits for a slow server gets an error."""
    server = server_with(faults=[Fault.slow(60)])
    endpoint = endpoint_to(server)
    failures = []
    thread = threading.Thread(target=lambda: failures.append(failure_of(endpoint, question)))
    thread.start()
    while not server.requests:
        time.sleep(0.005)

    started = time.monotonic()
    endpoint.close()
    thread.join()

    assert time.monotonic() - started < 30
    assert [FailureKind.CLOSED] == [failure.kind for failure in failures]
    assert FailureKind.CLOSED is failure_of(endpoint, question).kind


def test_closing_ends_a_wait(server_with, question):
    """A server's Retry-After does not delay the end of the program."""
    server = server_with(faults=[Fault.status(429, retry_after=30)] * 3)
    endpoint = OpenAIEndpoint("m", base_url=server.base_url, api_key="", environ={})
    failures = []
    thread = threading.Thread(target=lambda: failures.append(failure_of(endpoint, question)))
    thread.start()
    while not server.statuses:
        time.sleep(0.005)

    endpoint.close()
    thread.join(2)

    assert [FailureKind.CLOSED] == [failure.kind for failure in failures]


@pytest.mark.parametrize(
    ("url", "words", "sent"),
    [
        ("http://127.0.0.1:1/v1", "nothing listens there", 3),
        ("http://no-such-host.invalid/v1", "could not be resolved", 0),
    ],
)
def test_an_unreachable_server_is_retried_but_not_an_unknown_host(
    url, words, sent, endpoint_to, question, pauses, monkeypatch
):
    """A server may be starting; a host name that does not exist stays unknown."""
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)

    failure = failure_of(endpoint_to(url), question)

    assert FailureKind.UNREACHABLE is failure.kind
    assert words in str(failure)
    assert sent == len(pauses)


def test_an_https_address_of_a_plain_http_server_is_an_error(server_with, endpoint_to, question):
    """A wrong scheme is a common mistake, and retrying does not help."""
    url = server_with().base_url.replace("http:", "https:")

    failure = failure_of(endpoint_to(url), question)

    assert (FailureKind.UNREACHABLE, False) == (failure.kind, failure.retryable)
    assert "a secure connection could not be established" in str(failure)


def test_a_custom_http_client_is_used(endpoint_to, question):
    """It is the way to set proxies, certificates and mocks."""

    def answer(request):
        choice = {"message": {"content": "[2] > [1]"}, "finish_reason": "stop"}
        return httpx2.Response(200, json={"choices": [choice]})

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))

    reply = endpoint_to("https://models.example/v1", http_client=client).complete(question)

    assert ("[2] > [1]", None) == (reply.text, reply.model)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", FailureKind.BROKEN),
        (200, b'"Service available"', FailureKind.FOREIGN),
        (200, b"data: {}\n\n", FailureKind.FOREIGN),
        (200, b"[1, 2]", FailureKind.FOREIGN),
        (200, b'[{"error": {"code": 403, "message": "no"}}]', FailureKind.KEY),
        (200, b'{"object": "error", "choices": null}', FailureKind.EMPTY),
        (200, b"[" * 100_000, FailureKind.BROKEN),
        (200, b'{"choices": 3}', FailureKind.EMPTY),
        (200, b'{"choices": [7]}', FailureKind.EMPTY),
        (200, b'{"choices": [{"message": "hello"}]}', FailureKind.EMPTY),
        (404, b"<html>nothing here</html>", FailureKind.MODEL),
        (404, b"", FailureKind.MODEL),
        (500, b"\xff\xfe", FailureKind.SERVER),
        (401, b'{"error": "no key"}', FailureKind.KEY),
        (418, b'{"detail": "teapot"}', FailureKind.REFUSED),
    ],
)
def test_every_strange_body_becomes_one_of_our_errors(
    status, body, kind, endpoint_to, question, no_retries
):
    """Never a traceback."""
    transport = httpx2.MockTransport(lambda request: httpx2.Response(status, content=body))
    client = httpx2.AsyncClient(transport=transport)
    endpoint = endpoint_to("https://models.example/v1", http_client=client, retry_policy=no_retries)

    failure = failure_of(endpoint, question)

    assert kind is failure.kind
    assert isinstance(failure, EndpointError | ReplyError)


def test_a_lone_surrogate_is_replaced(server_with, endpoint_to):
    """A title may hold half of an emoji."""
    server = server_with(answer=lambda body: "ok")
    request = Request(Stage.RECALL, (Message("user", "half \ud83d here"),), max_output=5)

    endpoint_to(server).complete(request)

    assert "half ? here" == server.requests[0]["messages"][0]["content"]


def test_the_key_is_never_shown(endpoint_to):
    """Neither by the endpoint nor by its attributes."""
    endpoint = endpoint_to("https://models.example/v1")

    assert "OpenAIEndpoint('fake-model', base_url='https://models.example/v1')" == repr(endpoint)
    assert KEY not in repr(vars(endpoint))
    assert ("fake-model", "models.example") == (endpoint.model, endpoint.name)


def test_many_texts_are_embedded_in_several_requests(server_with, endpoint_to):
    """The vectors keep their order, and the usage is summed."""
    server = server_with()
    texts = [f"text number {number}" for number in range(130)]

    vectors, usage = endpoint_to(server).embed(texts)

    assert 130 == len(vectors)
    assert vectors[0] != vectors[129]
    assert [128, 2] == [len(body["input"]) for body in server.requests]
    assert (2, server.billed.prompt) == (usage.calls, usage.prompt)
    assert ([], Usage()) == endpoint_to(server).embed([])


def test_a_failed_embedding_is_an_error(server_with, endpoint_to, no_retries):
    """With the kind of failure."""
    server = server_with(faults=[FaultKind.CUT_JSON, 404])
    endpoint = endpoint_to(server, retry_policy=no_retries)

    with pytest.raises(CallError) as first:
        endpoint.embed(["a"])
    with pytest.raises(CallError) as second:
        endpoint.embed(["a"])

    assert [FailureKind.BROKEN, FailureKind.MODEL] == [first.value.kind, second.value.kind]


def test_a_collected_endpoint_ends_its_thread(server_with, question):
    """Closing is optional."""
    server = server_with()
    endpoint = OpenAIEndpoint("m", base_url=server.base_url, api_key="", environ={})
    endpoint.complete(question)
    names = [thread.name for thread in threading.enumerate()]
    before = names.count("unillmrec-endpoint")

    del endpoint

    names = [thread.name for thread in threading.enumerate()]
    assert 1 == before - names.count("unillmrec-endpoint")


def test_the_retry_policy_can_be_set(server_with, endpoint_to, question, pauses):
    """A batch may wait longer than a person would."""
    server = server_with(faults=[503] * 9)
    retry_policy = RetryPolicy(attempts=6, first_wait_seconds=1, longest_wait_seconds=2)

    failure_of(endpoint_to(server, retry_policy=retry_policy), question)

    assert 5 == len(pauses)
    assert 2 >= max(pauses)


def test_a_demanded_wait_holds_for_every_thread(server_with, question):
    """No thread sends while another one has to wait."""
    moments = []

    def fault(place):
        moments.append(time.monotonic())
        return Fault.status(429, retry_after=0.6) if place == 1 else None

    server = server_with(faults=fault, seconds=0.03)
    endpoint = OpenAIEndpoint("m", base_url=server.base_url, api_key="", environ={})
    with endpoint, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: endpoint.complete(question), range(16)))

    demanded = moments[1] + 0.03
    assert not [moment for moment in moments if demanded + 0.2 < moment < demanded + 0.6]
    assert 17 == len(moments)


def test_the_limit_adapts_to_a_server_with_few_slots(server_with, question):
    """All calls succeed, and refusals end once the limit fits."""
    server = server_with(allows=3, seconds=0.02)
    retry_policy = RetryPolicy(attempts=8, first_wait_seconds=0.01, longest_wait_seconds=0.05)
    endpoint = OpenAIEndpoint(
        "m",
        base_url=server.base_url,
        api_key="",
        environ={},
        concurrency=32,
        retry_policy=retry_policy,
    )
    with endpoint, ThreadPoolExecutor(32) as pool:
        replies = list(pool.map(lambda _: endpoint.complete(question), range(120)))

    assert 120 == len(replies) == server.billed.calls
    assert 0.5 > server.statuses.count(429) / 120


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (401, FailureKind.KEY),
        (402, FailureKind.MONEY),
        (Fault.quota(), FailureKind.MONEY),
        (404, FailureKind.MODEL),
    ],
)
def test_after_a_permanent_failure_nothing_is_sent(fault, kind, server_with, endpoint_to, question):
    """Later calls fail at once, with the reason."""
    server = server_with(faults=[fault] * 99)
    endpoint = endpoint_to(server)

    failures = [failure_of(endpoint, question) for _ in range(5)]

    assert {kind} == {failure.kind for failure in failures}
    assert 1 == len({(failure.problem, failure.remedy) for failure in failures})
    assert 1 == len(server.requests)
    assert "Nothing was sent this time." in failures[4].detail
    assert Usage() == usage_of(failures[4])


def test_waiting_threads_do_not_repeat_a_permanent_failure(server_with, endpoint_to, question):
    """Of fifty simultaneous calls, only those in flight are sent."""
    server = server_with(faults=[401] * 99, seconds=0.05)
    endpoint = endpoint_to(server, concurrency=2)

    with ThreadPoolExecutor(50) as pool:
        failures = list(pool.map(lambda _: failure_of(endpoint, question), range(50)))

    assert {FailureKind.KEY} == {failure.kind for failure in failures}
    assert 2 >= len(server.requests)


def test_an_unreachable_server_is_not_called_every_time(endpoint_to, question, no_retries):
    """After three failed calls in a row, later ones fail at once."""
    endpoint = endpoint_to("http://127.0.0.1:1/v1", retry_policy=no_retries)

    failures = [failure_of(endpoint, question) for _ in range(5)]

    assert {FailureKind.UNREACHABLE} == {failure.kind for failure in failures}
    sent = ["Nothing was sent" not in failure.detail for failure in failures]
    assert [True, True, True, False, False] == sent


def test_a_timeout_names_the_deadline(server_with, endpoint_to, question):
    """If the deadline left less time than the timeout of a call."""
    server = server_with(faults=[Fault.slow(2)])
    reservation = BudgetTracker(Budget(seconds=0.2)).reserve(10, 10)

    failure = failure_of(endpoint_to(server), replace(question, reservation=reservation))

    assert FailureKind.TIMEOUT is failure.kind
    assert re.search(r"after 0\.(2|1\d+) seconds", str(failure))
    assert "The deadline left no more time for it." in failure.detail
    assert "--deadline" in failure.remedy


def test_waiting_for_a_slot_ends_at_the_deadline(server_with, endpoint_to, question):
    """Nothing was sent, so the error is a budget error."""
    server = server_with(faults=[Fault.slow(60)])
    endpoint = endpoint_to(server, concurrency=1)
    reservation = BudgetTracker(Budget(seconds=0.1)).reserve(10, 10)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(endpoint.complete, question)
        while not server.requests:
            time.sleep(0.005)
        started = time.monotonic()
        with pytest.raises(BudgetError) as caught:
            endpoint.complete(replace(question, reservation=reservation))
        waited = time.monotonic() - started
        endpoint.close()
        assert FailureKind.CLOSED is first.exception().kind

    assert "deadline" == caught.value.limit
    assert waited < 30
    assert 1 == len(server.requests)


def test_closing_ends_waits_for_a_slot(server_with, endpoint_to, question):
    """A closed endpoint sends no request."""
    server = server_with(faults=[Fault.slow(5)])
    endpoint = endpoint_to(server, concurrency=1)

    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(failure_of, endpoint, question) for _ in range(4)]
        while not server.requests:
            time.sleep(0.005)
        endpoint.close()
        kinds = {each.result(2).kind for each in waiting}

    assert {FailureKind.CLOSED} == kinds
    assert 1 == len(server.requests)


def test_connections_are_reused(server_with, endpoint_to, question):
    """A new connection would cost a round trip, and another one for TLS."""
    server = server_with()
    endpoint = endpoint_to(server)

    for _ in range(10):
        endpoint.complete(question)

    assert 1 == server.connections


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(status, server_with, endpoint_to, question):
    """Neither the key nor the prompt goes to another host."""
    other = server_with()
    place = f"{other.base_url}/chat/completions"
    server = server_with(faults=[Fault(FaultKind.STATUS, code=status, headers={"Location": place})])

    failure = failure_of(endpoint_to(server), question)

    assert [] == other.requests
    assert (FailureKind.FOREIGN, status) == (failure.kind, failure.status)
    assert place in failure.detail
    assert "--base-url" in failure.remedy


def test_the_limit_of_a_budget_wins_over_the_extra_fields():
    """An answer cannot be longer than what was reserved for it."""
    with FakeServer() as server:
        endpoint = OpenAIEndpoint(
            server.model, base_url=server.base_url, extra_body={"max_tokens": 4000, "top_k": 5}
        )
        request = Request(Stage.RANK, (Message("user", "1. a\n2. b"),), 100)
        with endpoint:
            endpoint.complete(request)
            reservation = BudgetTracker(Budget(tokens=10_000)).reserve(100, 100)
            endpoint.complete(replace(request, reservation=reservation))

    free, budgeted = server.requests
    assert 4000 == free["max_tokens"]
    assert "max_tokens" not in budgeted
    assert (100, 5) == (budgeted["max_completion_tokens"], budgeted["top_k"])


@pytest.mark.parametrize(("scheme", "read"), [("http", False), ("https", True)])
def test_certificates_are_loaded_only_for_https(
    server_with, endpoint_to, no_retries, question, monkeypatch, scheme, read
):
    """Plain HTTP to this machine needs none."""
    loaded = []
    load = ssl.SSLContext.load_verify_locations
    monkeypatch.setattr(
        ssl.SSLContext,
        "load_verify_locations",
        lambda *given: loaded.append(given) or load(*given),
    )
    url = server_with().base_url.replace("http:", f"{scheme}:")

    with contextlib.suppress(EndpointError):
        endpoint_to(url, retry_policy=no_retries).complete(question)

    assert read == bool(loaded)
