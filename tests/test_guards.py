"""The guards of conftest.py hold: a test that reaches out would not be noticed otherwise."""

import os
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_no_test_connects_to_another_machine(method):
    """It fails at once, and not in a way a client would take for a bad network."""
    with socket.socket() as plug, pytest.raises(pytest.fail.Exception, match=r"192\.0\.2\.1:80"):
        getattr(plug, method)(("192.0.2.1", 80))


def test_no_name_is_looked_up():
    """As on a machine without a network."""
    with pytest.raises(urllib.error.URLError, match="is not looked up in a test"):
        urllib.request.urlopen("http://example.org")


def test_loopback_is_open():
    """Servers of a test's own can be spoken to."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(("localhost", server.getsockname()[1])) as plug,
    ):
        assert "127.0.0.1" == plug.getpeername()[0]


def test_nothing_is_set_from_outside(tmp_path):
    """No key, no setting, no proxy; and files fall into an empty folder."""
    assert not [name for name in os.environ if name.startswith(("OPENAI_", "UNILLMREC_"))]
    assert not [name for name in os.environ if name.lower().endswith("_proxy")]
    assert tmp_path == Path.cwd()
    assert [] == list(tmp_path.iterdir())
