import asyncio
import threading
import time

import pytest

from unillmrec.endpoint.wire.event_loop import BackgroundLoop, LoopStopped


@pytest.fixture
def background():
    background = BackgroundLoop()
    yield background
    background.stop()


async def soon():
    await asyncio.sleep(0)
    return "done"


def test_work_returns_its_result_and_raises_its_errors(background):
    """Both reach the thread that waits."""

    async def fail():
        raise KeyError("mine")

    assert "done" == background.run(soon, 1)
    with pytest.raises(KeyError, match="mine"):
        background.run(fail, 1)


def test_late_work_is_cancelled(background):
    """It does not go on unseen when its time is over."""
    ended = threading.Event()

    async def wait():
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        background.run(wait, 0.02)

    assert ended.wait(1)


def test_stopping_lets_every_waiting_thread_go(background):
    """Nobody waits for ever, and the farewell comes after the work has ended."""
    events = []
    started = threading.Barrier(4)

    async def wait():
        await asyncio.to_thread(started.wait)
        try:
            await asyncio.sleep(60)
        finally:
            events.append("cancelled")

    async def farewell():
        events.append("farewell")

    def work():
        try:
            background.run(wait, 60)
        except LoopStopped:
            events.append("stopped")

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    started.wait(2)
    time.sleep(0.02)
    background.stop(farewell)
    for thread in threads:
        thread.join(1)

    assert 3 == events.count("stopped")
    assert [*["cancelled"] * 3, "farewell"] == [each for each in events if each != "stopped"]
    with pytest.raises(LoopStopped):
        background.run(soon, 1)


def test_stopping_twice_or_before_any_work_does_nothing():
    """Whoever is unsure may stop it again."""
    background = BackgroundLoop()
    background.stop()
    background.stop()

    with pytest.raises(LoopStopped):
        background.run(soon, 1)


def test_it_can_be_stopped_from_its_own_thread(background):
    """The garbage collector may run there, and must not wait for itself."""

    async def stop():
        background.stop()
        await asyncio.sleep(60)

    started = time.monotonic()
    with pytest.raises(LoopStopped):
        background.run(stop, 5)

    assert 1 > time.monotonic() - started
