"""The HTTP side of the fake server: reads requests, and sends or spoils answers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from unillmrec.testing.faults import FaultKind


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Bytes to send, and how: *manner* is one of the faults at the HTTP level."""

    status: int
    body: bytes
    media: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    manner: FaultKind | None = None
    seconds: float = 0.0


class Responder(Protocol):
    """Computes answers; called from several threads at once."""

    def respond(
        self, route: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> HttpAnswer:
        """Return what to send; *body* is None if the request had no usable one."""


class Listener(ThreadingHTTPServer):
    """Listens on a port of this machine (0 for a free one), and passes requests to a responder.

    *opened* counts connections.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, responder: Responder, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.responder = responder
        self.opened = 0
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Serve in the background."""
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Stop serving, and close all connections."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Register the connection, then serve it in a thread."""
        with self._lock:
            self._connections.add(request)
            self.opened += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close one connection and unregister it."""
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect, which many tests do on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    protocol_version = "HTTP/1.1"
    # One packet per answer; with headers and body apart, each answer waits for an
    # acknowledgement that the client delays by forty milliseconds.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._send(self.server.responder.respond(self.path, None, self._lower_headers()))

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        media = self.headers.get("content-type") or ""
        body: Any = _form(content, media) if media.startswith("multipart/") else _json(content)
        body = body if isinstance(body, dict) else None
        self._send(self.server.responder.respond(self.path, body, self._lower_headers()))

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: tests read standard error."""

    def _lower_headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _send(self, answer: HttpAnswer) -> None:
        if answer.manner is FaultKind.RESET:
            self._hang_up()
            return
        if answer.manner is FaultKind.SLOW:
            self.server.stopping.wait(answer.seconds)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if answer.manner is FaultKind.DROP:
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.wfile.flush()
            self._hang_up()
        elif answer.manner is FaultKind.DRIP:
            self._drip(answer)
        else:
            self.wfile.write(answer.body)
            self.wfile.flush()

    def _drip(self, answer: HttpAnswer) -> None:
        for position in range(len(answer.body)):
            self.wfile.write(answer.body[position : position + 1])
            self.wfile.flush()
            if self.server.stopping.wait(answer.seconds):
                break

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _form(content: bytes, media: str) -> dict[str, object]:
    """Return the fields of a form by name, with files as text."""
    message = BytesParser().parsebytes(f"content-type: {media}\r\n\r\n".encode() + content)
    fields: dict[str, object] = {}
    for part in list(message.walk())[1:]:
        value = part.get_payload(decode=True)
        name = part.get_param("name", header="content-disposition")
        fields[str(name)] = value.decode() if isinstance(value, bytes) else ""
    return fields
