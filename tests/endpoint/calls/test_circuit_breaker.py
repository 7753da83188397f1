import pytest

from unillmrec.endpoint.access import CHAT, EMBEDDINGS
from unillmrec.endpoint.calls.circuit_breaker import CircuitBreaker
from unillmrec.endpoint.contract import PERMANENT_FAILURES, FailureKind
from unillmrec.endpoint.wire.failures import Failure


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def circuit(clock):
    return CircuitBreaker(clock)


def failure_of(circuit, route=CHAT):
    with pytest.raises(Failure) as caught, circuit.guard(route):
        pass
    return caught.value


def passes(circuit, route=CHAT):
    with circuit.guard(route):
        return True


def fail(circuit, kind, times=1, pause=None):
    failure = Failure(kind, "no.", detail="It says: no.", status=401)
    for _ in range(times):
        with circuit.guard(CHAT):
            circuit.record_failure(CHAT, failure, pause)


@pytest.mark.parametrize("kind", sorted(PERMANENT_FAILURES))
def test_a_permanent_failure_fails_every_later_call(kind, circuit, clock):
    """With the same message, for good, and without a request."""
    fail(circuit, kind)
    clock.now = 1e6

    failure = failure_of(circuit)

    assert (kind, "no.", 401) == (failure.kind, failure.problem, failure.status)
    assert "It says: no. Nothing was sent this time." == failure.detail


@pytest.mark.parametrize(
    "kind", sorted(set(FailureKind) - {*PERMANENT_FAILURES, FailureKind.UNREACHABLE})
)
def test_other_failures_block_nothing(kind, circuit):
    """However often they occur."""
    fail(circuit, kind, times=9)

    assert passes(circuit)


def test_an_unknown_model_blocks_only_its_route(circuit):
    """A model without embeddings may answer questions; a bad key works for neither."""
    fail(circuit, FailureKind.MODEL)
    assert passes(circuit, EMBEDDINGS)

    circuit.record_failure(CHAT, Failure(FailureKind.KEY, "no."))
    assert FailureKind.KEY is failure_of(circuit, EMBEDDINGS).kind


def test_an_unreachable_server_is_not_called_for_a_while(circuit, clock):
    """After three calls in a row; then one call probes it, and its success frees all others."""
    fail(circuit, FailureKind.UNREACHABLE, times=2)
    assert passes(circuit)
    fail(circuit, FailureKind.UNREACHABLE)

    assert FailureKind.UNREACHABLE is failure_of(circuit).kind
    clock.now += 11
    with circuit.guard(CHAT):
        assert FailureKind.UNREACHABLE is failure_of(circuit).kind
        circuit.record_contact()
    assert passes(circuit)


def test_a_server_that_is_still_unreachable_is_blocked_again(circuit, clock):
    """And an interrupted probe does not prevent the next one."""
    fail(circuit, FailureKind.UNREACHABLE, times=3)
    clock.now += 11
    with pytest.raises(KeyboardInterrupt), circuit.guard(CHAT):
        raise KeyboardInterrupt
    fail(circuit, FailureKind.UNREACHABLE)

    assert FailureKind.UNREACHABLE is failure_of(circuit).kind
    clock.now += 11
    assert passes(circuit)


def test_an_answer_resets_the_count_of_unreachable_calls(circuit):
    """Connections that drop now and then do not mean that the server is down."""
    for _ in range(5):
        fail(circuit, FailureKind.UNREACHABLE, times=2)
        circuit.record_contact()

    assert passes(circuit)


def test_a_server_is_not_called_during_the_pause_it_demands(circuit, clock):
    """A pause that no call would wait for: later calls fail at once, with the reason."""
    fail(circuit, FailureKind.RATE, pause=3600)
    circuit.record_contact()

    clock.now += 3599
    assert FailureKind.RATE is failure_of(circuit).kind
    clock.now += 2
    assert passes(circuit)
