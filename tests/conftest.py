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

# The suite runs on slow, shared machines: deadlines would measure them, and a hundred examples of
# each property take longer than all other tests. `make thorough` tries more examples, and other
# ones in every run.
settings.register_profile("suite", deadline=None, database=None, derandomize=True, max_examples=20)
settings.register_profile("thorough", deadline=None, database=None, max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

# Variables for our settings, the openai client, proxies, and the width and colour of a terminal.
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
    """Exempt modules and tests, which stay until the end, from garbage collection."""
    gc.collect()
    gc.freeze()


def _is_setting(name):
    return name.upper() in _NAMES or name.upper().startswith(_PREFIXES)


# Some packages read these variables on import, before the first fixture runs.
for _name in filter(_is_setting, list(os.environ)):
    del os.environ[_name]


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """The folder for trees that are built once per session."""
    folder = tmp_path_factory.getbasetemp() / "trees"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def tree(shared):
    """Three hundred items under three levels of branches."""
    # After the variables above are removed.
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
    """Refuse every connection to another machine.

    This does not reach processes that a test starts; such tests use loopback addresses only.
    """
    with pytest.MonkeyPatch.context() as patch:
        for method in ("connect", "connect_ex"):
            patch.setattr(socket.socket, method, _guarded(getattr(socket.socket, method)))
        patch.setattr(socket, "getaddrinfo", _looked_up_here(socket.getaddrinfo))
        yield


def _guarded(connect):
    def only_here(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
            # Not an OSError, which a client would take for a network problem and retry.
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
    """Run in an empty folder, without variables that could change the result."""
    for name in filter(_is_setting, list(os.environ)):
        monkeypatch.delenv(name)
    # The next test with the same port must not see the capabilities of this server.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def started(monkeypatch):
    """The list of worker processes that are started."""
    pool, start = [], worker_pool._start
    monkeypatch.setattr(worker_pool, "_start", lambda *args: pool.append(start(*args)) or pool[-1])
    return pool


@pytest.fixture
def killed(monkeypatch):
    """Kill worker processes as soon as they are started."""
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
