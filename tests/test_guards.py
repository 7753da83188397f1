"""The guards of conftest.py work; otherwise a test that uses the network would go unnoticed."""

import os
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_no_test_connects_to_another_machine(method):
    """It fails at once, with an error that no client mistakes for a network problem."""
    with socket.socket() as plug, pytest.raises(pytest.fail.Exception, match=r"192\.0\.2\.1:80"):
        getattr(plug, method)(("192.0.2.1", 80))


def test_no_host_name_is_looked_up():
    """As on a machine without a network."""
    with pytest.raises(urllib.error.URLError, match="is not looked up in a test"):
        urllib.request.urlopen("http://example.org")


def test_loopback_connections_are_allowed():
    """A test can talk to its own servers."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(("localhost", server.getsockname()[1])) as plug,
    ):
        assert "127.0.0.1" == plug.getpeername()[0]


def test_the_environment_and_the_folder_are_clean(tmp_path):
    """No key, setting or proxy is set, and the current folder is empty."""
    assert not [name for name in os.environ if name.startswith(("OPENAI_", "UNILLMREC_"))]
    assert not [name for name in os.environ if name.lower().endswith("_proxy")]
    assert tmp_path == Path.cwd()
    assert [] == list(tmp_path.iterdir())
