"""Bodies of any size, in any compression."""

import gzip
import tracemalloc
import zlib

import pytest

from tests.raw_server import RawServer, chat, http
from unillmrec.endpoint import CallError, FailureKind

MEGABYTE = 1024 * 1024


@pytest.fixture
def ask(endpoint_to, no_retries):
    """Ask a server once; return the reply or the error."""

    def ask(server, request, **options):
        endpoint = endpoint_to(server, **no_retries, **options)
        try:
            return endpoint.complete(request)
        except CallError as error:
            return error

    return ask


@pytest.fixture
def no_retries():
    from unillmrec.endpoint import RetryPolicy

    return {"retry_policy": RetryPolicy(attempts=1)}


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("raw", [False, True])
def test_compressed_answers_are_read(encoding, raw, ask, question):
    """Deflate also without the header that it should have."""
    body = chat("fine")
    packed = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    if raw and encoding == "deflate":
        packed = zlib.compress(body)[2:-4]
    answer = http(packed, headers=[b"Content-Encoding: %s" % encoding.encode()])

    with RawServer(answer) as server:
        assert ask(server, question).text == "fine"


@pytest.mark.parametrize("status", [200, 400, 429, 302])
def test_a_bomb_is_never_unpacked_whole(status, ask, question):
    """Neither from a good answer nor from an error."""
    bomb = gzip.compress(b'{"error": "' + b" " * 300 * MEGABYTE, 1)
    answer = http(bomb, status=status, headers=[b"Content-Encoding: gzip"])

    with RawServer(answer) as server:
        tracemalloc.start()
        error = ask(server, question)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert isinstance(error, CallError)
    assert most < 40 * MEGABYTE


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_body_without_an_end_is_left(status, ask, question):
    """Long before the time is over."""
    head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n\r\n" % status

    with RawServer(head + b'{"a": "', tail=b"x" * 65_536) as server:
        error = ask(server, question, timeout_seconds=20)

    assert error.kind is not FailureKind.TIMEOUT


def test_lists_of_lists_are_not_built(ask, question):
    """They would take thirty times their length."""
    body = b'{"choices": [' + b"[]," * MEGABYTE + b"[]]}"

    with RawServer(http(body)) as server:
        error = ask(server, question)

    assert "far more values" in error.problem


def test_a_compression_that_was_not_asked_for_is_refused(ask, question):
    """Nobody could bound it."""
    with RawServer(http(b"xx", headers=[b"Content-Encoding: zstd"])) as server:
        error = ask(server, question)

    assert "compressed as 'zstd'" in error.problem


def test_a_reply_is_cut_at_its_limit(ask, question):
    """A server that ignores the limit makes nobody count or parse megabytes."""
    with RawServer(http(chat("x" * MEGABYTE))) as server:
        reply = ask(server, question)

    assert len(reply.text) == 16 * question.max_output
    assert reply.finish == "length"


def test_the_key_is_masked_in_a_reply(ask, question):
    """A server that repeats it does not get it into traces and outputs."""
    echoes = chat(r"your key is sk-secret-key-123456, or \u0073k-secret-key-123456")

    with RawServer(http(echoes)) as server:
        assert ask(server, question).text == "your key is [key], or [key]"
