import pytest

from unillmrec.endpoint.access import CHAT, EMBEDDINGS
from unillmrec.endpoint.calls.circuit_breaker import Circuit
from unillmrec.endpoint.contract import FailureKind
from unillmrec.endpoint.wire.failures import Failure

FINAL = (FailureKind.KEY, FailureKind.MONEY, FailureKind.MODEL)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def circuit(clock):
    return Circuit(clock)


def failure_of(circuit, route=CHAT):
    with pytest.raises(Failure) as caught, circuit.passing(route):
        pass
    return caught.value


def passes(circuit, route=CHAT):
    with circuit.passing(route):
        return True


def fail(circuit, kind, times=1, rest=None):
    for _ in range(times):
        with circuit.passing(CHAT):
            circuit.failed(CHAT, Failure(kind, "no.", detail="It says: no.", status=401), rest)


@pytest.mark.parametrize("kind", FINAL)
def test_what_cannot_pass_ends_every_later_call(kind, circuit, clock):
    """With the same words, for good, and with nothing sent."""
    fail(circuit, kind)
    clock.now = 1e6

    failure = failure_of(circuit)

    assert (kind, "no.", 401) == (failure.kind, failure.problem, failure.status)
    assert "It says: no. Nothing was sent this time." == failure.detail


@pytest.mark.parametrize("kind", sorted(set(FailureKind) - {*FINAL, FailureKind.UNREACHABLE}))
def test_what_may_pass_ends_nothing(kind, circuit):
    """However often it is met."""
    fail(circuit, kind, times=9)

    assert passes(circuit)


def test_an_unknown_model_ends_only_calls_of_its_kind(circuit):
    """One that makes no vectors may answer questions; a bad key does neither."""
    fail(circuit, FailureKind.MODEL)
    assert passes(circuit, EMBEDDINGS)

    circuit.failed(CHAT, Failure(FailureKind.KEY, "no."))
    assert FailureKind.KEY is failure_of(circuit, EMBEDDINGS).kind


def test_a_server_that_is_gone_is_left_alone_for_a_while(circuit, clock):
    """Three calls in a row find nobody; then one asks again, and opens the way for all."""
    fail(circuit, FailureKind.UNREACHABLE, times=2)
    assert passes(circuit)
    fail(circuit, FailureKind.UNREACHABLE)

    assert FailureKind.UNREACHABLE is failure_of(circuit).kind
    clock.now += 11
    with circuit.passing(CHAT):
        assert FailureKind.UNREACHABLE is failure_of(circuit).kind
        circuit.reached()
    assert passes(circuit)


def test_a_server_that_is_still_gone_is_left_alone_again(circuit, clock):
    """And a probe that was broken off leaves room for the next."""
    fail(circuit, FailureKind.UNREACHABLE, times=3)
    clock.now += 11
    with pytest.raises(KeyboardInterrupt), circuit.passing(CHAT):
        raise KeyboardInterrupt
    fail(circuit, FailureKind.UNREACHABLE)

    assert FailureKind.UNREACHABLE is failure_of(circuit).kind
    clock.now += 11
    assert passes(circuit)


def test_an_answer_between_begins_the_count_anew(circuit):
    """A connection that drops now and then is no server that is gone."""
    for _ in range(5):
        fail(circuit, FailureKind.UNREACHABLE, times=2)
        circuit.reached()

    assert passes(circuit)


def test_a_server_gets_the_rest_it_asks_for(circuit, clock):
    """Longer than anybody waits: later calls end at once, and say why."""
    fail(circuit, FailureKind.RATE, rest=3600)
    circuit.reached()

    clock.now += 3599
    assert FailureKind.RATE is failure_of(circuit).kind
    clock.now += 2
    assert passes(circuit)
