"""An event loop on a thread of its own, where a call can be stopped in the middle of a read."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

Result = TypeVar("Result")


class Stopped(Exception):
    """The loop was stopped while something waited for it."""


class Background:
    """Runs coroutines for threads that wait.

    A blocking socket times out per read, so a server that sends a byte now and then holds
    its caller for ever, and nothing can call it off. A coroutine can be cancelled anywhere.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False

    def run(self, work: Callable[[], Coroutine[Any, Any, Result]], seconds: float) -> Result:
        """Wait for what *work* returns, at most *seconds*.

        Raises:
            TimeoutError: the time is over; the work has been cancelled.
            Stopped: `stop` was called, before or meanwhile.
        """
        # The lock makes sure that `stop` comes either before the work or after its start:
        # work handed to a loop that has ended would never be answered.
        with self._lock:
            loop = self._running()
            future = asyncio.run_coroutine_threadsafe(_within(work, seconds), loop)
        try:
            return future.result()
        except CancelledError as error:
            raise Stopped from error
        finally:
            # Ctrl-C ends the waiting, not the work; without this it would go on unseen.
            future.cancel()

    def stop(self, farewell: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Cancel what runs, await *farewell*, and end the thread. Later calls do nothing."""
        with self._lock:
            loop, thread, self._stopped = self._loop, self._thread, True
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_wind_down(farewell), loop)
        # The garbage collector may call this on any thread, that of the loop included.
        if thread is not threading.current_thread():
            thread.join(timeout=2)

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._stopped:
            raise Stopped
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            # A daemon: a hanging server must not keep a finished program alive.
            self._thread = threading.Thread(
                target=_serve, args=(self._loop,), name="unillmrec-endpoint", daemon=True
            )
            self._thread.start()
        return self._loop


async def _within(work: Callable[[], Coroutine[Any, Any, Result]], seconds: float) -> Result:
    async with asyncio.timeout(seconds):
        return await work()


async def _wind_down(farewell: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    try:
        await asyncio.gather(*others, return_exceptions=True)
        if farewell is not None:
            await farewell()
    finally:
        asyncio.get_running_loop().stop()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()
