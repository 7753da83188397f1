import json
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from unillmrec.budget import Budget, BudgetTracker
from unillmrec.endpoint import AnswerError, CallError, FailureKind, Message, Reply, Request, Schema
from unillmrec.endpoint.wrappers.recording import Recording, RecordingEndpoint, ReplayedEndpoint
from unillmrec.errors import BudgetError, EndpointError, SettingsError
from unillmrec.testing import ScriptedEndpoint
from unillmrec.usage import Stage, Usage

USAGE = Usage(2, 100, None, 30, None)
REPLY = Reply("Slow “rivers”\n\ud83d", USAGE, "json_object", None, "m-2", 0.125, 1, 2)


def request(text="Which?", **options):
    return Request(Stage.RANK, (Message("system", "Choose."), Message("user", text)), 50, **options)


def recorded(answers, asked):
    """Record the answers of a script to these requests, and open the recording."""
    recording = Recording(Path("r.jsonl"), {"run": "one"})
    endpoint = RecordingEndpoint(ScriptedEndpoint(answers), recording)
    for each in asked:
        try:
            endpoint.complete(each)
        except (CallError, AnswerError, BudgetError):
            continue
    recording.close()
    return ReplayedEndpoint(Path("r.jsonl"))


def test_a_reply_is_replayed_unchanged():
    """Every field, with unknown counts and half a surrogate pair."""
    replayed = recorded([REPLY], [request()])

    assert REPLY == replayed.complete(request())
    assert "one" == replayed.about["run"]


def call_error():
    error = CallError("no.", detail="It is so.", remedy="ask.", retryable=True, status=503)
    error.kind, error.usage, error.retries, error.refused = FailureKind.SERVER, USAGE, 3, 1
    return error


def answer_error():
    error = AnswerError("empty.", detail="d", remedy="r")
    error.kind, error.usage, error.retries = FailureKind.FILTERED, USAGE, 2
    return error


def budget_error():
    error = BudgetError("tokens", "spent.")
    error.__cause__ = call_error()
    return error


@pytest.mark.parametrize("made", [call_error, answer_error, budget_error])
def test_an_error_is_replayed_unchanged(made):
    """Its message, its type, and its usage."""
    error = made()
    replayed = recorded([error], [request()])

    with pytest.raises(type(error)) as caught:
        replayed.complete(request())

    assert str(error) == str(caught.value)
    for name in ("kind", "usage", "retries", "refused", "status", "retryable", "limit"):
        assert getattr(error, name, None) == getattr(caught.value, name, None)
    assert str(error.__cause__) == str(caught.value.__cause__)


def test_a_repeated_request_gets_its_replies_in_order():
    """And no more than were recorded."""
    replayed = recorded(["a", "b", "other", "c"], [request(), request(), request("?"), request()])

    assert ["a", "b", "c"] == [replayed.complete(request()).text for _ in range(3)]
    with pytest.raises(EndpointError, match=r"holds no further answer to a request of the rank"):
        replayed.complete(request())
    assert "other" == replayed.complete(request("?")).text


def test_the_order_of_threads_does_not_matter():
    """Each request gets its own reply."""
    asked = [request(f"Question {number % 200}") for number in range(600)]
    answers = [f"{each.messages[1].content} {n}" for n, each in enumerate(asked)]
    replayed = recorded(answers, asked)
    shuffled = random.Random(1).sample(asked, len(asked))

    with ThreadPoolExecutor(16) as pool:
        texts = list(pool.map(lambda each: replayed.complete(each).text, shuffled))

    assert Counter(answers) == Counter(texts)
    for each, text in zip(shuffled, texts, strict=True):
        assert text.startswith(each.messages[1].content + " ")


@pytest.mark.parametrize(
    "other",
    [
        replace(request(), stage=Stage.RECALL),
        replace(request(), max_output=51),
        request("Which"),
        request(schema=Schema("s", {"type": "object"})),
        replace(request(), messages=request().messages[1:]),
    ],
)
def test_everything_that_is_sent_distinguishes_requests(other):
    """The stage, the limit, the schema, and each message."""
    replayed = recorded(["a"], [request()])

    with pytest.raises(EndpointError, match="holds no answer to a request of the"):
        replayed.complete(other)


def test_the_budget_does_not_distinguish_requests():
    """The same request has the same reply with any budget."""
    reservation = BudgetTracker(Budget(tokens=500)).reserve(10, 10)
    replayed = recorded(["a"], [request(reservation=reservation)])

    assert "a" == replayed.complete(request()).text


def test_every_reply_is_written_at_once():
    """A killed run loses nothing that it has paid for; half a line at the end is ignored."""
    recording = Recording(Path("r.jsonl"), {})
    endpoint = RecordingEndpoint(ScriptedEndpoint(["a", "b"]), recording)
    endpoint.complete(request("1"))
    endpoint.complete(request("2"))
    content = Path("r.jsonl").read_text()
    recording.close()
    Path("half.jsonl").write_text(content[:-30])

    replayed = ReplayedEndpoint(Path("half.jsonl"))

    assert 3 == content.count("\n")
    assert "a" == replayed.complete(request("1")).text
    with pytest.raises(EndpointError):
        replayed.complete(request("2"))


def test_a_run_without_calls_leaves_no_file():
    """It would be in the way of the next run."""
    Recording(Path("r.jsonl"), {}).close()

    assert not Path("r.jsonl").exists()


def test_measurements_are_replayed_in_order():
    """Such as times, which differ between runs; one that was not recorded stays as measured."""
    recording = Recording(Path("r.jsonl"), {})
    assert 1.5 == recording.measurement("seconds", 1.5)
    recording.measurement("seconds", 2.5)
    recording.close()

    replayed = ReplayedEndpoint(Path("r.jsonl"))

    assert [1.5, 2.5, 9.0] == [replayed.measurement("seconds", 9.0) for _ in range(3)]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no json\n",
        "[]\n",
        '{"recording": 99}\n',
        '{"recording": 1}\nno json\n{}\n',
        '{"recording": 1}\n{"reply": {}}\n',
        '{"recording": 1}\n[]\n',
    ],
)
def test_an_invalid_recording_is_an_error_with_its_line(content):
    """It is not replayed."""
    Path("r.jsonl").write_text(content)

    with pytest.raises(SettingsError, match=r"r\.jsonl:[12]: not a line of a recording"):
        ReplayedEndpoint(Path("r.jsonl"))


def test_the_label_of_a_person_is_not_written():
    """A line holds only what determines the reply."""
    recorded(["a"], [request()])

    line = json.loads(Path("r.jsonl").read_text().splitlines()[1])
    assert {"key", "stage", "messages", "max_output", "reply"} == line.keys()
