"""A server that answers every request with the same bytes, whatever they are."""

import socket
import threading


class RawServer:
    """Sends *answer* to each request and closes the connection, or repeats *tail* until then.

    *answer* may be a function of the number of requests so far.
    """

    def __init__(self, answer, tail=b""):
        self.answer = answer
        self.tail = tail
        self.received = 0
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._stopping = threading.Event()

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._socket.close()

    def _serve(self):
        while not self._stopping.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection:
            try:
                self._read(connection)
                self.received += 1
                answer = self.answer(self.received - 1) if callable(self.answer) else self.answer
                connection.sendall(answer)
                while self.tail and not self._stopping.is_set():
                    connection.sendall(self.tail)
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(1)
                connection.recv(1)
            except OSError:
                return

    def _read(self, connection):
        """Read one request: a reset would hide the answer of a server that has not."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65_536)
            if not piece:
                return
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [
            int(line.partition(b":")[2])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        ]
        left = (lengths[0] if lengths else 0) - len(body)
        while left > 0 and (piece := connection.recv(65_536)):
            left -= len(piece)


def http(body, *, status=200, headers=()):
    """Return an HTTP answer with a length."""
    lines = [
        f"HTTP/1.1 {status} X".encode(),
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        b"Connection: close",
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chat(content="{}", usage='{"prompt_tokens": 9, "completion_tokens": 4}', more=""):
    """Return the body of a chat completion; *content*, in JSON, is not escaped further."""
    return (
        '{"choices": [{"index": 0, "finish_reason": "stop", "message":'
        f' {{"role": "assistant", "content": "{content}"}}{more}}}], "usage": {usage}}}'
    ).encode()
