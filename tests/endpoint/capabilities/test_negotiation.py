import pytest

from unillmrec.endpoint import FailureKind, RequestStyle
from unillmrec.endpoint.capabilities.negotiation import NegotiatedRequest
from unillmrec.endpoint.capabilities.request_style import LearnedStyle
from unillmrec.endpoint.wire.failures import Failure
from unillmrec.endpoint.wire.responses import Completion
from unillmrec.usage import Usage

SERVER_ERROR = Failure(FailureKind.SERVER, "An error 500.", retryable=True, status=500)
PICKS = '{"picks": []}'


def answer(text=PICKS):
    return Completion(text, "stop", "m", Usage(1))


@pytest.fixture
def learned():
    return LearnedStyle(RequestStyle())


@pytest.fixture
def begin(learned, question):
    """Start calls that share what they learn."""
    return lambda: NegotiatedRequest(question, "m", learned, {})


def test_a_call_adopts_the_style_that_worked_for_another(begin):
    """What looks like an accident was a refusal, as another call has found out."""
    slow, quick = begin(), begin()
    assert not quick.downgrade(SERVER_ERROR, repeated=False)
    assert quick.downgrade(SERVER_ERROR, repeated=True)
    quick.record_answer(answer())

    changed = slow.downgrade(SERVER_ERROR, repeated=False)

    assert changed
    assert "json_object" == slow.style.response_format


def test_a_learned_style_is_adopted_once(begin):
    """If it does not help, the failure counts like any other."""
    slow, quick = begin(), begin()
    quick.downgrade(SERVER_ERROR, repeated=True)
    quick.record_answer(answer())

    changes = [slow.downgrade(SERVER_ERROR, repeated=False) for _ in range(3)]

    assert [True, False, False] == changes


def test_a_call_does_not_return_to_a_format_it_saw_refused(begin):
    """Even if the format worked for another call."""
    further, other = begin(), begin()
    further.downgrade(SERVER_ERROR, repeated=True)
    further.downgrade(SERVER_ERROR, repeated=True)
    other.record_answer(answer())

    further.downgrade(SERVER_ERROR, repeated=False)

    assert "text" == further.style.response_format


def test_negotiation_ends(learned, begin):
    """Each parameter changes once, whatever is refused and whatever other calls learn."""
    call, steps = begin(), 0

    while steps < 50 and call.downgrade(SERVER_ERROR, repeated=True):
        steps += 1

    assert 3 == steps
    assert RequestStyle() == learned.style


def test_a_slower_call_does_not_restore_an_ignored_schema(learned, begin):
    """One reply that violates the schema outweighs any that conform."""
    slow, quick = begin(), begin()
    quick.record_answer(answer("I would pick the second."))
    slow.record_answer(answer())

    assert "json_object" == learned.style.response_format


def test_after_many_conforming_replies_the_schema_stays(learned, begin):
    """Before that, a single reply that violates the schema is enough to give it up."""
    for _ in range(20):
        begin().record_answer(answer())

    begin().record_answer(answer("I would pick the second."))

    assert learned.enforces_schema
    assert "json_schema" == learned.style.response_format


def test_every_change_of_style_is_saved(question):
    """And nothing else."""
    saved = []
    learned = LearnedStyle(RequestStyle(), save=saved.append)

    for text in (PICKS, "prose", PICKS):
        NegotiatedRequest(question, "m", learned, {}).record_answer(answer(text))

    assert [RequestStyle("json_object")] == saved
