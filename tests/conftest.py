"""Guards around every test: no network, no settings from outside, no files left in the checkout."""

import gc
import ipaddress
import os
import socket

import pytest
from hypothesis import settings

from unillmrec.judge import CONTRACTS
from unillmrec.prompts import PromptSet
from unillmrec.system import worker_pool
from unillmrec.tokens import TokenCounter

# The machines that run the suite are slow and shared: a deadline would measure them, and a
# hundred examples of each property take longer than all the other tests. `make thorough` has
# time for many, and for other ones every time.
settings.register_profile("suite", deadline=None, database=None, derandomize=True, max_examples=20)
settings.register_profile("thorough", deadline=None, database=None, max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

# Settings of ours and of the openai client, a proxy between a test and its loopback server,
# and what makes terminal output wide, narrow or coloured.
_PREFIXES = ("OPENAI_", "UNILLMREC_")
_NAMES = {
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("COLUMNS", "LINES", "TERMINAL_WIDTH", "NO_COLOR", "FORCE_COLOR", "CLICOLOR"),
    *("CLICOLOR_FORCE", "PY_COLORS", "GITHUB_ACTIONS", "PYTHONWARNINGS", "TIKTOKEN_CACHE_DIR"),
}


def pytest_addoption(parser):
    parser.addoption(
        "--update-goldens",
        action="store_true",
        help="rewrite tests/goldens instead of comparing with them",
    )
    parser.addoption(
        "--update-docs",
        action="store_true",
        help="rewrite outputs, pictures and the command reference instead of comparing with them",
    )


def pytest_collection_finish():
    """Let the collector of garbage leave alone what is there until the end: modules and tests."""
    gc.collect()
    gc.freeze()


def _from_outside(name):
    return name.upper() in _NAMES or name.upper().startswith(_PREFIXES)


# Some packages read these when they are imported, which is before the first fixture.
for _name in filter(_from_outside, list(os.environ)):
    del os.environ[_name]


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """Where trees are kept that are built once."""
    folder = tmp_path_factory.getbasetemp() / "trees"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def tree(shared):
    """Three hundred items under three levels of branches."""
    # Not before the settings from outside are gone.
    from tests import trees

    return trees.tree(shared)


def _is_loopback(host):
    if host in ("localhost", "", None):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(host):
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


@pytest.fixture(scope="session", autouse=True)
def _only_loopback():
    """Refuse every connection that would leave the machine.

    What a test starts in a process of its own is out of reach: such a test gives it no
    address but that of a loopback server.
    """
    with pytest.MonkeyPatch.context() as patch:
        for method in ("connect", "connect_ex"):
            patch.setattr(socket.socket, method, _guarded(getattr(socket.socket, method)))
        patch.setattr(socket, "getaddrinfo", _looked_up_here(socket.getaddrinfo))
        yield


def _guarded(connect):
    def only_here(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
            # Not an OSError: a client would take it for a bad network, and try again.
            pytest.fail(f"a test tried to connect to {address[0]}:{address[1]}")
        return connect(self, address)

    return only_here


def _looked_up_here(getaddrinfo):
    def only_known(host, *arguments, **options):
        name = host.decode() if isinstance(host, bytes) else host
        if not _is_loopback(name) and not _is_address(name):
            # What an offline machine answers, without the wait.
            raise socket.gaierror(socket.EAI_NONAME, f"{name} is not looked up in a test")
        return getaddrinfo(host, *arguments, **options)

    return only_known


@pytest.fixture(autouse=True)
def _clean_place(tmp_path, monkeypatch):
    """Run in an empty folder, with nothing set that could change what is tested."""
    for name in filter(_from_outside, list(os.environ)):
        monkeypatch.delenv(name)
    # What is learnt about a server on some port is not for the test that gets the port next.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def started(monkeypatch):
    """The worker processes that were started."""
    pool, start = [], worker_pool._start
    monkeypatch.setattr(worker_pool, "_start", lambda *args: pool.append(start(*args)) or pool[-1])
    return pool


@pytest.fixture
def killed(monkeypatch):
    """Worker processes are killed as soon as they are started."""
    start = worker_pool._start

    def start_and_kill(*args):
        process = start(*args)
        process.kill()
        return process

    monkeypatch.setattr(worker_pool, "_start", start_and_kill)


@pytest.fixture(scope="session")
def prompts():
    return PromptSet.load(CONTRACTS)


@pytest.fixture(scope="session")
def counter():
    return TokenCounter.for_model("gpt-4o")
