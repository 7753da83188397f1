import pytest

from unillmrec.endpoint import FailureKind, RequestStyle
from unillmrec.endpoint.capabilities.request_style import Asking, Memory
from unillmrec.endpoint.wire.failures import Failure
from unillmrec.endpoint.wire.responses import Completion
from unillmrec.usage import Usage

ACCIDENT = Failure(
    FailureKind.SERVER, "An error 500 that says nothing.", retryable=True, status=500
)
PICKS = '{"picks": []}'


def answer(text=PICKS):
    return Completion(text, "stop", "m", Usage(1))


@pytest.fixture
def memory():
    return Memory(RequestStyle())


@pytest.fixture
def begin(memory, question):
    """Begin calls that share what they learn."""
    return lambda: Asking(question, "m", memory, {})


def test_a_call_goes_on_in_the_way_that_worked_for_another(begin):
    """What looks like an accident is a refusal that another call has understood."""
    slow, quick = begin(), begin()
    assert not quick.downgrade(ACCIDENT, repeated=False)
    assert quick.downgrade(ACCIDENT, repeated=True)
    quick.answered(answer())

    gave_way = slow.downgrade(ACCIDENT, repeated=False)

    assert gave_way
    assert "json_object" == slow.way.response_format


def test_what_another_found_is_taken_once(begin):
    """Where it does not help, the failure is one like any other."""
    slow, quick = begin(), begin()
    quick.downgrade(ACCIDENT, repeated=True)
    quick.answered(answer())

    ways = [slow.downgrade(ACCIDENT, repeated=False) for _ in range(3)]

    assert [True, False, False] == ways


def test_a_call_that_has_gone_further_is_not_called_back(begin):
    """A format that was refused to it is not tried again because another got by with it."""
    further, other = begin(), begin()
    further.downgrade(ACCIDENT, repeated=True)
    further.downgrade(ACCIDENT, repeated=True)
    other.answered(answer())

    further.downgrade(ACCIDENT, repeated=False)

    assert "text" == further.way.response_format


def test_no_call_goes_on_for_ever(memory, begin):
    """Whatever is refused, and whatever the others find: each parameter gives way once."""
    call, steps = begin(), 0

    while steps < 50 and call.downgrade(ACCIDENT, repeated=True):
        steps += 1

    assert 3 == steps
    assert RequestStyle() == memory.way


def test_a_slower_call_does_not_bring_back_what_was_ignored(memory, begin):
    """One answer that does not keep to the schema outweighs any that happen to."""
    slow, quick = begin(), begin()
    quick.answered(answer("I would pick the second."))
    slow.answered(answer())

    assert "json_object" == memory.way.response_format


def test_a_server_that_kept_to_a_schema_often_is_not_held_against_it_any_more(memory, begin):
    """Until then one reply beside the schema is enough to do without; after it, none is."""
    for _ in range(20):
        begin().answered(answer())

    begin().answered(answer("I would pick the second."))

    assert memory.enforces_schema
    assert "json_schema" == memory.way.response_format


def test_every_change_is_kept_and_nothing_else(question):
    """Whoever writes things down is told when there is something new."""
    kept = []
    memory = Memory(RequestStyle(), keep=kept.append)

    for text in (PICKS, "prose", PICKS):
        Asking(question, "m", memory, {}).answered(answer(text))

    assert [RequestStyle("json_object")] == kept
