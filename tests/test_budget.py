import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.budget import Budget, BudgetTracker, WaitingBudgetTracker
from unillmrec.errors import BudgetError, SettingsError
from unillmrec.usage import Usage

TOKENS = st.integers(0, 60)
# The usage of an attempt: nothing, a known amount, or an unknown one.
TAKEN = st.one_of(
    st.just(Usage()),
    st.builds(lambda p, c: Usage(1, p, c), TOKENS, TOKENS),
    st.just(Usage(1, None, None)),
)


def cents(prompt, completion):
    return 0.01 * prompt + 0.02 * completion


@given(
    budget=st.builds(
        Budget,
        st.none() | st.integers(0, 300),
        st.none() | st.integers(0, 9),
        st.none(),
        st.none() | st.floats(0, 5),
    ),
    calls=st.lists(st.tuples(TOKENS, TOKENS, st.lists(TAKEN, min_size=1, max_size=3)), max_size=9),
)
def test_no_limit_is_ever_exceeded(budget, calls):
    """Whatever the calls use, the spent and the reserved amounts stay within the limits.

    This holds for servers that keep to the limits of a call; others are counted as overrun.
    """
    tracker = BudgetTracker(budget, cents)
    tokens = sent = 0
    cost = 0.0
    for prompt, completion, attempts in calls:
        kept = [
            Usage(t.calls, min(t.prompt, prompt), min(t.completion, completion))
            if t.prompt is not None and t.calls
            else t
            for t in attempts
        ]
        try:
            reservation = tracker.reserve(prompt, completion)
        except BudgetError:
            continue
        sent += 1
        total = kept[0]
        for failed, following in itertools.pairwise(kept):
            try:
                reservation.repeat(failed)
            except BudgetError:
                break
            sent += 1
            total += following
        reservation.settle(total)
        known = total.prompt is not None and total.completion is not None
        tokens += total.prompt + total.completion if known and total.calls else 0
        cost += cents(total.prompt, total.completion) if known and total.calls else 0
    assert budget.tokens is None or tokens <= budget.tokens
    assert budget.calls is None or sent <= budget.calls
    assert budget.cost is None or cost <= budget.cost + 1e-9
    assert 0 == tracker.overrun


def refuses(tracker, prompt, completion):
    with pytest.raises(BudgetError):
        tracker.reserve(prompt, completion)


def test_unused_tokens_are_returned():
    """A call that used less leaves more for the next; unknown usage counts as all of it."""
    tracker = BudgetTracker(Budget(tokens=100))

    tracker.reserve(50, 50).settle(Usage(1, 20, 5))

    refuses(tracker, 50, 26)
    tracker.reserve(50, 25).settle(Usage(1, None, None))
    refuses(tracker, 1, 0)


def test_a_refused_attempt_costs_a_call_and_no_tokens():
    """A retry after a refusal needs room for one attempt, not for two."""
    tracker = BudgetTracker(Budget(tokens=100, calls=2))
    reservation = tracker.reserve(60, 40)

    reservation.repeat(Usage())
    with pytest.raises(BudgetError, match="the budget of calls is spent"):
        reservation.repeat(Usage())


def test_usage_beyond_the_reservation_is_counted():
    """It cannot be prevented, but it is reported as overrun."""
    tracker = BudgetTracker(Budget(tokens=100))

    tracker.reserve(50, 10).settle(Usage(1, 70, 10))

    assert 20 == tracker.overrun
    refuses(tracker, 21, 0)
    tracker.reserve(20, 0)


def test_the_deadline_ends_everything():
    """After it nothing fits; reservations know the time that is left."""
    now = 0.0
    tracker = BudgetTracker(Budget(seconds=5), clock=lambda: now)
    reservation = tracker.reserve(1, 1)

    now = 3.0
    assert 2.0 == reservation.seconds_left == tracker.seconds_left
    assert 0.6 == pytest.approx(tracker.share_spent)
    now = 5.0
    with pytest.raises(BudgetError) as caught:
        tracker.reserve(0, 0)
    assert "deadline" == caught.value.limit
    assert tracker.is_late


def test_the_scarcest_limit_is_named():
    """Of several limits, the one with the largest share spent decides."""
    tracker = BudgetTracker(Budget(tokens=1000, calls=4))

    tracker.reserve(600, 0)

    assert ("tokens", 0.6) == (tracker.tightest_limit, tracker.share_spent)


def test_many_threads_share_a_tracker():
    """Hundreds of calls at once do not exceed the limit."""
    tracker = BudgetTracker(Budget(tokens=1000))

    def spend(_):
        try:
            tracker.reserve(7, 3)
        except BudgetError:
            return 0
        return 10

    with ThreadPoolExecutor(16) as executor:
        assert 1000 == sum(executor.map(spend, range(400)))


def test_a_budget_of_money_needs_a_price():
    """An unknown price is not zero."""
    with pytest.raises(SettingsError, match="the price of the model is unknown"):
        BudgetTracker(Budget(cost=1.0))


@pytest.mark.parametrize("name", ["tokens", "calls", "seconds", "cost"])
def test_limits_are_positive_numbers(name):
    """A negative, infinite or undefined limit is refused with its name."""
    with pytest.raises(SettingsError, match=f"the budget of {name} is -1"):
        Budget(**{name: -1})
    for value in ("nan", "inf"):
        with pytest.raises(SettingsError, match=f"is {value}; it must be a number"):
            Budget(**{name: float(value)})


def test_a_waiting_tracker_waits_for_returned_tokens():
    """A call that does not fit waits for calls in flight; without any it is refused."""
    tracker = WaitingBudgetTracker(Budget(tokens=100))
    first = tracker.reserve(60, 40)

    with ThreadPoolExecutor(1) as executor:
        waiting = executor.submit(tracker.reserve, 50, 40)
        assert not threading.Event().wait(0.02)
        assert not waiting.done()
        first.settle(Usage(1, 5, 5))
        waiting.result(60).settle(Usage(1, 50, 40))
    with pytest.raises(BudgetError, match="the budget of tokens is spent"):
        tracker.reserve(1, 0)


def test_a_retried_call_waits_too():
    """Not for other calls that wait for their retry: neither could ever proceed."""
    tracker = WaitingBudgetTracker(Budget(tokens=100))
    first, second = tracker.reserve(30, 20), tracker.reserve(30, 20)

    with ThreadPoolExecutor(1) as executor:
        waiting = executor.submit(first.repeat, Usage(1, 30, 20))
        assert not threading.Event().wait(0.02)
        assert not waiting.done()
        with pytest.raises(BudgetError, match="the budget of tokens is spent"):
            second.repeat(Usage(1, 30, 20))
        second.settle(Usage())
        waiting.result(60)
    first.settle(Usage(2, 60, 40))
    assert 1.0 == tracker.share_spent


@pytest.mark.parametrize("seconds", [None, 0.03])
def test_no_request_waits_for_ever(seconds):
    """Not beyond the deadline, and not when the tracker is closed."""
    now = 0.0
    tracker = WaitingBudgetTracker(Budget(tokens=100, seconds=seconds), clock=lambda: now)
    tracker.reserve(60, 40)

    with ThreadPoolExecutor(1) as executor:
        waiting = executor.submit(tracker.reserve, 1, 0)
        now = 1.0
        if seconds is None:
            tracker.close()
        with pytest.raises(BudgetError):
            waiting.result(60)
