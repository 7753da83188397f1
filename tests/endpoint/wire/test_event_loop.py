import asyncio
import threading
import time

import pytest

from unillmrec.endpoint.wire.event_loop import BackgroundLoop, LoopStopped


@pytest.fixture
def loop():
    loop = BackgroundLoop()
    yield loop
    loop.stop()


async def soon():
    await asyncio.sleep(0)
    return "done"


def test_work_returns_its_result_and_raises_its_errors(loop):
    """In the thread that waits for it."""

    async def fail():
        raise KeyError("mine")

    assert "done" == loop.run(soon, 1)
    with pytest.raises(KeyError, match="mine"):
        loop.run(fail, 1)


def test_late_work_is_cancelled(loop):
    """It does not continue in the loop."""
    ended = threading.Event()

    async def wait():
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        loop.run(wait, 0.02)

    assert ended.wait(1)


def test_stopping_releases_every_waiting_thread(loop):
    """The cleanup runs after all work has ended."""
    events = []
    started = threading.Barrier(4)

    async def wait():
        await asyncio.to_thread(started.wait)
        try:
            await asyncio.sleep(60)
        finally:
            events.append("cancelled")

    async def cleanup():
        events.append("cleanup")

    def work():
        try:
            loop.run(wait, 60)
        except LoopStopped:
            events.append("stopped")

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    started.wait(2)
    time.sleep(0.02)
    loop.stop(cleanup)
    for thread in threads:
        thread.join(1)

    assert 3 == events.count("stopped")
    assert [*["cancelled"] * 3, "cleanup"] == [each for each in events if each != "stopped"]
    with pytest.raises(LoopStopped):
        loop.run(soon, 1)


def test_stopping_twice_or_before_any_work_does_nothing():
    """It is safe to stop it again."""
    loop = BackgroundLoop()
    loop.stop()
    loop.stop()

    with pytest.raises(LoopStopped):
        loop.run(soon, 1)


def test_it_can_be_stopped_from_its_own_thread(loop):
    """The garbage collector may run there, and the thread must not wait for itself."""

    async def stop():
        loop.stop()
        await asyncio.sleep(60)

    started = time.monotonic()
    with pytest.raises(LoopStopped):
        loop.run(stop, 60)

    assert time.monotonic() - started < 30
