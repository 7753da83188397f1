import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from unillmrec.endpoint.calls.concurrency import INITIAL_LIMIT, ConcurrencyLimiter, NoSlotError


def fill(limiter):
    """Acquire as many slots as the limit allows."""
    held = [limiter.slot(limiter.new_priority(), 1) for _ in range(limiter.limit)]
    return held, [each.__enter__() for each in held]


def release(held):
    for each in held:
        each.__exit__(None, None, None)


def answer_rounds(limiter, rounds=1):
    """Record full rounds of good answers."""
    for _ in range(rounds):
        held, slots = fill(limiter)
        for _ in slots:
            limiter.record_answer()
        release(held)


def overload(limiter):
    with limiter.slot(limiter.new_priority(), 1) as slot:
        limiter.record_overload(slot)


def test_the_limit_starts_small_and_doubles_while_nothing_fails():
    """An unknown server does not get all requests at once."""
    limiter = ConcurrencyLimiter(100)
    limits = [limiter.limit]

    for _ in range(4):
        answer_rounds(limiter)
        limits.append(limiter.limit)

    assert [INITIAL_LIMIT, 16, 32, 64, 100] == limits


def test_the_limit_never_exceeds_the_maximum():
    """Not even at the start."""
    limiter = ConcurrencyLimiter(3)
    answer_rounds(limiter, 5)

    assert 3 == limiter.limit


def test_the_limit_is_halved_once_for_attempts_in_flight_together():
    """Eight refusals of the same round count once."""
    limiter = ConcurrencyLimiter(8)
    held, slots = fill(limiter)
    for slot in slots:
        limiter.record_overload(slot)
    release(held)

    assert 4 == limiter.limit


def test_after_an_overload_the_limit_grows_by_one_a_round():
    """The number that was too much is approached slowly."""
    limiter = ConcurrencyLimiter(64)
    answer_rounds(limiter, 3)
    held, slots = fill(limiter)
    limiter.record_overload(slots[0])
    release(held)
    before = limiter.limit

    answer_rounds(limiter, 3)

    assert 32 == before
    assert before + 2 <= limiter.limit <= before + 3


def test_the_limit_is_at_least_one():
    """However often the server is overloaded."""
    limiter = ConcurrencyLimiter(8)
    for _ in range(9):
        overload(limiter)
        time.sleep(0.001)

    assert 1 == limiter.limit
    answer_rounds(limiter)


def test_an_unused_limit_does_not_grow():
    """One call at a time says nothing about eight at once."""
    limiter = ConcurrencyLimiter(64)

    for _ in range(50):
        with limiter.slot(limiter.new_priority(), 1):
            limiter.record_answer()

    assert INITIAL_LIMIT == limiter.limit


def test_a_pause_holds_for_all_calls():
    """Also for those that did not cause it, and for those that wait already."""
    limiter = ConcurrencyLimiter(1)
    started = []

    def run(priority):
        with limiter.slot(priority, 5):
            started.append(time.monotonic())

    with limiter.slot(limiter.new_priority(), 1):
        waiting = threading.Thread(target=run, args=(limiter.new_priority(),))
        waiting.start()
        time.sleep(0.02)
        limiter.pause(0.15)
        paused = time.monotonic()
    later = threading.Thread(target=run, args=(limiter.new_priority(),))
    later.start()
    waiting.join()
    later.join()

    assert 0.14 < started[0] - paused < 1
    assert 0.14 < started[1] - paused < 1


def test_the_oldest_call_goes_first():
    """A retry does not queue behind newer calls."""
    limiter = ConcurrencyLimiter(1)
    early, order = limiter.new_priority(), []

    def run(priority):
        with limiter.slot(priority, 5):
            order.append(priority)

    with limiter.slot(limiter.new_priority(), 1):
        threads = []
        for priority in (limiter.new_priority(), limiter.new_priority(), early):
            threads.append(threading.Thread(target=run, args=(priority,)))
            threads[-1].start()
            time.sleep(0.01)
    for thread in threads:
        thread.join()

    assert sorted(order) == order
    assert early == order[0]


def test_waiting_for_a_slot_ends_at_the_timeout():
    """And a waiter that gave up takes no slot from the others."""
    limiter = ConcurrencyLimiter(1)

    with limiter.slot(limiter.new_priority(), 1):
        started = time.monotonic()
        with pytest.raises(NoSlotError), limiter.slot(limiter.new_priority(), 0.05):
            pass
        waited = time.monotonic() - started

    with limiter.slot(limiter.new_priority(), 0.05):
        pass
    assert 0.04 < waited < 1


def test_a_timeout_may_exceed_what_a_timer_allows():
    """The wait is split."""
    limiter = ConcurrencyLimiter(1)
    started = threading.Event()

    def run():
        with limiter.slot(limiter.new_priority(), 1e300):
            started.set()

    with limiter.slot(limiter.new_priority(), 1):
        waiting = threading.Thread(target=run)
        waiting.start()
        time.sleep(0.01)
    waiting.join(2)

    assert started.is_set()


def test_closing_ends_every_wait():
    """Present waits and later ones."""
    limiter = ConcurrencyLimiter(1)

    def run():
        with pytest.raises(NoSlotError), limiter.slot(limiter.new_priority(), None):
            pass

    with limiter.slot(limiter.new_priority(), 1):
        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        limiter.close()
        for thread in threads:
            thread.join(2)
        assert not any(thread.is_alive() for thread in threads)
    run()


def test_many_threads_never_exceed_the_limit():
    """Whatever happens between them, pauses and overloads included."""
    limiter = ConcurrencyLimiter(6)
    lock, in_flight, most = threading.Lock(), 0, 0

    def run(number):
        nonlocal in_flight, most
        with limiter.slot(limiter.new_priority(), 10) as slot:
            with lock:
                in_flight += 1
                most = max(most, in_flight)
            if number % 50 == 7:
                limiter.record_overload(slot)
            if number % 90 == 3:
                limiter.pause(0.002)
            time.sleep(0.0005)
            limiter.record_answer()
            with lock:
                in_flight -= 1

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(run, range(300)))

    assert 2 <= most <= 6
    answer_rounds(limiter)
