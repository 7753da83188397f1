import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from unillmrec.endpoint.calls.concurrency import FIRST, ConcurrencyLimiter, NoTurn


def answered(turns, rounds=1):
    """Let so many rounds of attempts go well, each as large as there is room."""
    for _ in range(rounds):
        held = [turns.taken(turns.number(), 1) for _ in range(turns.room)]
        for turn in [each.__enter__() for each in held]:
            turns.answered(turn)
        for each in held:
            each.__exit__(None, None, None)


def too_much(turns):
    with turns.taken(turns.number(), 1) as turn:
        turns.too_much(turn)


def test_it_begins_small_and_doubles_while_all_is_well():
    """A server nobody knows yet is not met with a crowd."""
    turns = ConcurrencyLimiter(100)
    rooms = [turns.room]

    for _ in range(4):
        answered(turns)
        rooms.append(turns.room)

    assert [FIRST, 16, 32, 64, 100] == rooms


def test_a_small_bound_is_kept_from_the_start():
    """The user's number is the most there ever is."""
    turns = ConcurrencyLimiter(3)
    answered(turns, 5)

    assert 3 == turns.room


def test_room_is_halved_once_for_attempts_that_were_under_way_together():
    """Eight refusals of one crowd are one piece of news."""
    turns = ConcurrencyLimiter(8)
    held = [turns.taken(turns.number(), 1) for _ in range(8)]
    for turn in [each.__enter__() for each in held]:
        turns.too_much(turn)
    for each in held:
        each.__exit__(None, None, None)

    assert 4 == turns.room


def test_after_trouble_room_grows_by_one_a_round():
    """What was too much once is come near to slowly."""
    turns = ConcurrencyLimiter(64)
    answered(turns, 3)
    held = [turns.taken(turns.number(), 1) for _ in range(turns.room)]
    entered = [each.__enter__() for each in held]
    turns.too_much(entered[0])
    for each in held:
        each.__exit__(None, None, None)
    before = turns.room

    answered(turns, 3)

    assert 32 == before
    assert before + 2 <= turns.room <= before + 3


def test_there_is_always_room_for_one():
    """However often a server says that it has too much to do."""
    turns = ConcurrencyLimiter(8)
    for _ in range(9):
        too_much(turns)
        time.sleep(0.001)

    assert 1 == turns.room
    answered(turns)


def test_room_that_nobody_uses_does_not_grow():
    """One call at a time shows nothing about what eight at once would come to."""
    turns = ConcurrencyLimiter(64)

    for _ in range(50):
        with turns.taken(turns.number(), 1) as turn:
            turns.answered(turn)

    assert FIRST == turns.room


def test_a_pause_holds_for_everybody():
    """Not only for the call that was told to wait, and also for who waits already."""
    turns = ConcurrencyLimiter(1)
    began = []

    def go(number):
        with turns.taken(number, 5):
            began.append(time.monotonic())

    with turns.taken(turns.number(), 1):
        waiting = threading.Thread(target=go, args=(turns.number(),))
        waiting.start()
        time.sleep(0.02)
        turns.pause(0.15)
        paused = time.monotonic()
    later = threading.Thread(target=go, args=(turns.number(),))
    later.start()
    waiting.join()
    later.join()

    assert 0.14 < began[0] - paused < 1
    assert 0.14 < began[1] - paused < 1


def test_the_call_that_came_first_goes_first():
    """A call that repeats an attempt does not stand at the end of the queue again."""
    turns = ConcurrencyLimiter(1)
    early, order = turns.number(), []

    def go(number):
        with turns.taken(number, 5):
            order.append(number)

    with turns.taken(turns.number(), 1):
        threads = []
        for number in (turns.number(), turns.number(), early):
            threads.append(threading.Thread(target=go, args=(number,)))
            threads[-1].start()
            time.sleep(0.01)
    for thread in threads:
        thread.join()

    assert sorted(order) == order
    assert early == order[0]


def test_nobody_waits_longer_than_there_is_time():
    """And who has gone away takes no turn from the others."""
    turns = ConcurrencyLimiter(1)

    with turns.taken(turns.number(), 1):
        started = time.monotonic()
        with pytest.raises(NoTurn), turns.taken(turns.number(), 0.05):
            pass
        waited = time.monotonic() - started

    with turns.taken(turns.number(), 0.05):
        pass
    assert 0.04 < waited < 1


def test_a_wait_may_be_longer_than_a_timer():
    """It is cut into what a timer can be set for."""
    turns = ConcurrencyLimiter(1)
    began = threading.Event()

    def go():
        with turns.taken(turns.number(), 1e300):
            began.set()

    with turns.taken(turns.number(), 1):
        waiting = threading.Thread(target=go)
        waiting.start()
        time.sleep(0.01)
    waiting.join(2)

    assert began.is_set()


def test_closing_sends_everybody_away():
    """Those who wait, and those who come later."""
    turns = ConcurrencyLimiter(1)

    def go():
        with pytest.raises(NoTurn), turns.taken(turns.number(), None):
            pass

    with turns.taken(turns.number(), 1):
        threads = [threading.Thread(target=go) for _ in range(3)]
        for thread in threads:
            thread.start()
        turns.close()
        for thread in threads:
            thread.join(2)
        assert not any(thread.is_alive() for thread in threads)
    go()


def test_many_threads_never_exceed_the_room():
    """Whatever happens between them, pauses and refusals included."""
    turns = ConcurrencyLimiter(6)
    lock, at_once, most = threading.Lock(), 0, 0

    def go(place):
        nonlocal at_once, most
        with turns.taken(turns.number(), 10) as turn:
            with lock:
                at_once += 1
                most = max(most, at_once)
            if place % 50 == 7:
                turns.too_much(turn)
            if place % 90 == 3:
                turns.pause(0.002)
            time.sleep(0.0005)
            turns.answered(turn)
            with lock:
                at_once -= 1

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(go, range(300)))

    assert 2 <= most <= 6
    answered(turns)
