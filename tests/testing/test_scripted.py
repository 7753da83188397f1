from concurrent.futures import ThreadPoolExecutor

import pytest

from unillmrec.endpoint import Message, Reply, Request, Schema
from unillmrec.errors import ReplyError
from unillmrec.testing import ScriptedEndpoint
from unillmrec.usage import Stage, Usage


def question(text="12345678", schema=None):
    return Request(Stage.RANK, (Message("user", text),), 50, schema)


def test_answers_come_in_order_and_requests_are_recorded():
    """The first request gets the first answer."""
    endpoint = ScriptedEndpoint(["one", "two"])

    replies = [endpoint.complete(question("a")), endpoint.complete(question("b"))]

    assert ["one", "two"] == [reply.text for reply in replies]
    assert [question("a"), question("b")] == endpoint.requests


def test_a_function_answers_by_the_request():
    """It gets the whole request."""
    endpoint = ScriptedEndpoint(lambda request: request.messages[0].content.upper())

    assert "ABC" == endpoint.complete(question("abc")).text


def test_a_script_may_hold_errors_and_whole_replies():
    """Failures can be scripted like answers."""
    reply = Reply("cut", Usage(1, 5, 6), "text", "length", "m", 1.5)
    endpoint = ScriptedEndpoint([ReplyError("nothing in it"), reply])

    with pytest.raises(ReplyError, match="nothing in it"):
        endpoint.complete(question())
    assert reply == endpoint.complete(question())


def test_a_request_beyond_the_script_fails_the_test():
    """It is a mistake in the test or in the tested code, not a failure of an endpoint."""
    endpoint = ScriptedEndpoint(["only"])
    endpoint.complete(question())

    with pytest.raises(AssertionError, match="has 1 answers, and was asked once more"):
        endpoint.complete(question())


def test_usage_is_counted_from_the_texts():
    """A token is four characters, so that bills have amounts to add."""
    reply = ScriptedEndpoint(["abcde"]).complete(question("12345678"))

    assert Usage(calls=1, prompt=2, completion=2) == reply.usage
    assert ("text", "stop", "scripted") == (reply.asked_with, reply.finish, reply.model)
    with_schema = ScriptedEndpoint(["a"]).complete(question(schema=Schema("s", {})))
    assert "json_schema" == with_schema.asked_with


def test_threads_get_each_answer_once():
    """Recall asks from several threads."""
    endpoint = ScriptedEndpoint(str(number) for number in range(200))

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: endpoint.complete(question()).text, range(200)))

    assert sorted(map(str, range(200))) == sorted(replies)
    assert 200 == len(endpoint.requests)


def test_texts_that_share_words_have_similar_vectors():
    """That is enough for tests that need any vectors."""
    endpoint = ScriptedEndpoint([])
    texts = ["a river that is slow", "the slow river", "quantum chess"]

    (one, near, far), usage = endpoint.embed(texts)

    assert (1, texts) == (usage.calls, endpoint.embedded)
    assert sum(map(float.__mul__, one, near)) > sum(map(float.__mul__, one, far))
    assert pytest.approx(1) == sum(value * value for value in one)
