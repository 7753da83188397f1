"""Bound the body of every answer, an error's too, in the bytes it has after decompression."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator

import httpx2

ACCEPTED_ENCODINGS = "gzip, deflate"
"""The compressions that `bound_body` can undo piece by piece; the others are not asked for."""

# A reply of 32,000 tokens, escaped and with its reasoning, takes a tenth of the first; 128 vectors
# of 8,192 numbers nearly all of the second; the third is more than a file of batch results has.
_MOST_ANSWER_BYTES = 4 * 1024 * 1024
_MOST_VECTOR_BYTES = 32 * 1024 * 1024
_MOST_FILE_BYTES = 512 * 1024 * 1024
# Of an error only the message is shown.
_MOST_ERROR_BYTES = 64 * 1024
# 128 vectors of 8,192 numbers have fewer. An empty list of two bytes takes seventy in memory.
_MOST_VALUES = 1_100_000
_PIECE_BYTES = 64 * 1024


class UnusableBodyError(Exception):
    """A body is too long or cannot be decompressed; the text says how, as in "does not end"."""


def check_value_count(content: bytes) -> None:
    """Return if a JSON text cannot take much more memory than its own length.

    Raises:
        UnusableBodyError: it consists of far more values than any answer has.
    """
    if sum(map(content.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise UnusableBodyError("holds far more values than were asked for")


async def bound_body(response: httpx2.Response) -> None:
    """Bound the body of *response*, as an event hook that runs before any of it is read.

    Reading a good answer that is too long raises `UnusableBodyError`; an error is cut off.
    """
    encoding = response.headers.pop("content-encoding", "identity").strip().lower()
    # Not every charset that Python knows, and a server may name, decodes bytes.
    response.encoding = "utf-8"
    is_error = response.status_code >= 300
    limit = _MOST_ERROR_BYTES if is_error else _limit_of(response.request.url.path)
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _BoundedStream(response.stream, encoding, limit, cut=is_error)


def _limit_of(path: str) -> int:
    if path.endswith("/embeddings"):
        return _MOST_VECTOR_BYTES
    return _MOST_FILE_BYTES if path.endswith("/content") else _MOST_ANSWER_BYTES


class _BoundedStream(httpx2.AsyncByteStream):
    """The decompressed bytes of a stream, up to a limit; with *cut*, what is beyond is left out."""

    def __init__(
        self, stream: httpx2.AsyncByteStream, encoding: str, limit: int, *, cut: bool
    ) -> None:
        self._stream = stream
        self._encoding = encoding
        self._limit = limit
        self._cut = cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        length = received = 0
        try:
            decode = _decoder(self._encoding)
            async for raw in self._stream:
                # Compressed bytes count too: they may stand for nothing, without an end.
                received += len(raw)
                for piece in decode(raw):
                    length += len(piece)
                    if max(length, received) > self._limit:
                        raise UnusableBodyError("does not end")
                    yield piece
                if received > self._limit:
                    raise UnusableBodyError("does not end")
        except (UnusableBodyError, zlib.error) as error:
            if self._cut:
                return
            if isinstance(error, zlib.error):
                raise UnusableBodyError("cannot be decompressed") from error
            raise

    async def aclose(self) -> None:
        """Close the stream, read to its end or not."""
        await self._stream.aclose()


class _Inflater:
    """Decompress gzip or deflate, never more than a piece at a time."""

    def __init__(self, *, is_gzip: bool) -> None:
        self._is_gzip = is_gzip
        self._inflate: zlib._Decompress | None = None

    def __call__(self, data: bytes) -> Iterator[bytes]:
        if not data:
            return
        if self._inflate is None:
            # Some servers send deflate without the header that it should have.
            has_header = self._is_gzip or data[0] & 0x0F == zlib.DEFLATED
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32 if has_header else -15)
        while not self._inflate.eof:
            piece = self._inflate.decompress(data, _PIECE_BYTES)
            data = self._inflate.unconsumed_tail
            if piece:
                yield piece
            if not data and len(piece) < _PIECE_BYTES:
                return


def _decoder(encoding: str) -> Callable[[bytes], Iterable[bytes]]:
    if encoding in ("gzip", "x-gzip", "deflate"):
        return _Inflater(is_gzip="gzip" in encoding)
    if encoding in ("", "identity"):
        return lambda data: (data,)
    raise UnusableBodyError(f"is compressed as {encoding[:20]!r}, which was not asked for")
