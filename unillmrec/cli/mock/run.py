"""Run the fake server as the flags of `unillmrec mock` say."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import typer

from unillmrec.cli.mock.request import MockRequest
from unillmrec.cli.shared.output import note
from unillmrec.errors import SettingsError
from unillmrec.testing import DIALECTS, FakeServer
from unillmrec.testing.faults import by_rate
from unillmrec.usage import Usage


@dataclass(frozen=True, slots=True)
class MockSummary:
    """What a fake server has received and answered."""

    address: str
    requests: int
    connections: int
    statuses: Mapping[int, int]
    most_at_once: int
    billed: Usage


def serve(request: MockRequest) -> MockSummary:
    """Serve until Ctrl-C.

    Raises:
        SettingsError: the port is not available.
    """
    server = _start_server(request)
    with server:
        note(f"Fake server (no language model) at {server.base_url}; Ctrl-C stops it.")
        note(
            "Try: unillmrec recommend FILE --like TEXT"
            f" --base-url {server.base_url} --model {server.model}"
        )
        _wait_for_ctrl_c()
        return MockSummary(
            server.base_url,
            server.received,
            server.connections,
            dict(sorted(Counter(server.statuses).items())),
            server.most_at_once,
            server.billed,
        )


def _start_server(request: MockRequest) -> FakeServer:
    if request.dialect not in DIALECTS:
        raise typer.TyperException(
            f"--dialect is one of {', '.join(DIALECTS)}, not {request.dialect!r}."
        )
    rates = tuple(_parse_rate(each) for each in request.fault or [])
    try:
        faults = by_rate(rates, request.seed)
    except ValueError as error:
        raise typer.TyperException(f"--fault: {error}.") from error
    seconds = _parse_seconds(request.latency)
    try:
        return FakeServer(
            dialect=request.dialect,
            faults=faults,
            seconds=seconds,
            seed=request.seed,
            allows=request.allows,
            prefix_cache=request.prefix_cache,
            port=request.port,
            keep=False,
        )
    except OSError as error:
        raise SettingsError(
            f"nothing can listen on port {request.port}: {error.strerror}.",
            remedy="another --port, or 0 for a free one.",
        ) from error


def _wait_for_ctrl_c() -> None:
    """Return on Ctrl-C; other signals end the program as usual."""
    pressed = threading.Event()
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.set())
    try:
        # An unlimited wait cannot be interrupted on some systems.
        while not pressed.wait(1.0):
            pass
    finally:
        signal.signal(signal.SIGINT, before)


def _parse_rate(text: str) -> tuple[str, float]:
    name, _, rate = text.rpartition(":")
    try:
        return name or text, float(rate if name else "")
    except ValueError as error:
        raise typer.TyperException(
            f"--fault is a name and a rate, such as 503:0.1, not {text!r}."
        ) from error


def _parse_seconds(text: str) -> tuple[float, float]:
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
