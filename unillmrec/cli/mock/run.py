"""The fake server as the command line asks for it."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import typer

from unillmrec.cli.shared.output import note
from unillmrec.errors import SettingsError
from unillmrec.testing import DIALECTS, FakeServer
from unillmrec.testing.faults import by_rate
from unillmrec.usage import Usage


@dataclass(frozen=True, slots=True)
class MockWishes:
    """What the flags say."""

    port: int
    dialect: str
    faults: tuple[tuple[str, float], ...]
    seconds: tuple[float, float]
    seed: int
    allows: int | None = None
    prefix_cache: int | None = None

    @classmethod
    def of(
        cls,
        port: int,
        dialect: str,
        faults: Sequence[str],
        latency: str,
        seed: int,
        bounds: tuple[int | None, int | None],
    ) -> MockWishes:
        """Read what is written in one word, and check that it exists."""
        if dialect not in DIALECTS:
            raise typer.TyperException(
                f"--dialect is one of {', '.join(DIALECTS)}, not {dialect!r}."
            )
        rates = tuple(_rate(each) for each in faults)
        try:
            by_rate(rates)
        except ValueError as error:
            raise typer.TyperException(f"--fault: {error}.") from error
        return cls(port, dialect, rates, _seconds(latency), seed, *bounds)


@dataclass(frozen=True, slots=True)
class Mocked:
    """What the server saw."""

    address: str
    requests: int
    connections: int
    statuses: Mapping[int, int]
    most_at_once: int
    billed: Usage


def serve(wishes: MockWishes) -> Mocked:
    """Serve until Ctrl-C.

    Raises:
        SettingsError: the port cannot be had.
    """
    try:
        server = FakeServer(
            dialect=wishes.dialect,
            faults=by_rate(wishes.faults, wishes.seed),
            seconds=wishes.seconds,
            seed=wishes.seed,
            allows=wishes.allows,
            prefix_cache=wishes.prefix_cache,
            port=wishes.port,
            keep=False,
        )
    except OSError as error:
        raise SettingsError(
            f"nothing can listen on port {wishes.port}: {error.strerror}.",
            remedy="another --port, or 0 for a free one.",
        ) from error
    with server:
        note(f"A server that is no language model listens on {server.base_url}; Ctrl-C ends it.")
        note(
            "Try: unillmrec recommend FILE --like TEXT"
            f" --base-url {server.base_url} --model {server.model}"
        )
        _wait_for_ctrl_c()
        return Mocked(
            server.base_url,
            server.received,
            server.connections,
            dict(sorted(Counter(server.statuses).items())),
            server.most_at_once,
            server.billed,
        )


def _wait_for_ctrl_c() -> None:
    """Return when somebody presses it; other signals end the program as everywhere."""
    pressed = threading.Event()
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.set())
    try:
        # On some systems a wait without an end cannot be interrupted.
        while not pressed.wait(1.0):
            pass
    finally:
        signal.signal(signal.SIGINT, before)


def _rate(text: str) -> tuple[str, float]:
    name, _, rate = text.rpartition(":")
    try:
        return name or text, float(rate if name else "")
    except ValueError as error:
        raise typer.TyperException(
            f"--fault is a name and a rate, such as 503:0.1, not {text!r}."
        ) from error


def _seconds(text: str) -> tuple[float, float]:
    least, _, most = text.partition("-")
    try:
        seconds = float(least), float(most or least)
        if not 0 <= seconds[0] <= seconds[1]:
            raise ValueError
    except ValueError as error:
        raise typer.TyperException(
            f"--latency is a number of seconds such as 0.2, or 0.2-1.5, not {text!r}."
        ) from error
    return seconds
