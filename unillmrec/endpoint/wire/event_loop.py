"""An event loop on its own thread, where a call can be cancelled in the middle of a read."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

Result = TypeVar("Result")


class LoopStopped(Exception):
    """The loop was stopped before or during the work, *was_started* says which."""

    def __init__(self, *, was_started: bool = False) -> None:
        super().__init__()
        self.was_started = was_started


class BackgroundLoop:
    """Runs coroutines for threads that wait for the result.

    A blocking socket has a timeout per read: a server that sends a byte now and then would hold
    its caller forever, and nothing could interrupt it. A coroutine can be cancelled anywhere.

    anyio's blocking portal does the same, but takes twice as long per call, cannot be stopped from
    its own thread (where the garbage collector may run), and waits for that thread without limit.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False

    def run(self, work: Callable[[], Coroutine[Any, Any, Result]], seconds: float) -> Result:
        """Return the result of *work*, which may take at most *seconds*.

        Raises:
            TimeoutError: the time is over; the work has been cancelled.
            LoopStopped: `stop` was called, before or meanwhile.
        """
        # Under the lock, `stop` comes either before the work or after its start: work that is
        # handed to a loop that has ended would never return.
        with self._lock:
            loop = self._running_loop()
            future = asyncio.run_coroutine_threadsafe(_with_timeout(work, seconds), loop)
        try:
            return future.result()
        except CancelledError as error:
            raise LoopStopped(was_started=True) from error
        finally:
            # Ctrl-C ends the waiting; without this the work would go on unseen.
            future.cancel()

    def stop(self, cleanup: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Cancel all work, await *cleanup*, and end the thread. Later calls do nothing."""
        with self._lock:
            loop, thread, self._stopped = self._loop, self._thread, True
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_shut_down(cleanup), loop)
        # The garbage collector may call this on any thread, that of the loop included.
        if thread is not threading.current_thread():
            thread.join(timeout=2)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._stopped:
            raise LoopStopped
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            # A daemon thread: a hanging server must not keep a finished program alive.
            self._thread = threading.Thread(
                target=_serve, args=(self._loop,), name="unillmrec-endpoint", daemon=True
            )
            self._thread.start()
        return self._loop


async def _with_timeout(work: Callable[[], Coroutine[Any, Any, Result]], seconds: float) -> Result:
    async with asyncio.timeout(seconds):
        return await work()


async def _shut_down(cleanup: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    try:
        await asyncio.gather(*others, return_exceptions=True)
        if cleanup is not None:
            await cleanup()
    finally:
        asyncio.get_running_loop().stop()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()
