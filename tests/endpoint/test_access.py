import os
import subprocess
import sys
from pathlib import Path

import pytest

from unillmrec.cli.shared.session import announce
from unillmrec.endpoint.access import Access
from unillmrec.errors import EndpointError, SettingsError
from unillmrec.judge.from_settings import build_endpoint
from unillmrec.settings import Settings

KEY = "sk-secret-key-123456"


def resolve(base_url=None, api_key=None, **environ):
    return Access.resolve(base_url, api_key, environ)


def test_arguments_win_over_the_environment_and_the_default():
    """Both for the address and for the key."""
    environ = {"OPENAI_BASE_URL": "http://localhost:11434/v1", "OPENAI_API_KEY": KEY}

    given = resolve("https://models.example/v1/", "abc", **environ)
    found = resolve(**environ)
    default = resolve(OPENAI_API_KEY=KEY, OPENAI_BASE_URL="")

    assert ("https://models.example/v1", "abc") == (given.base_url, given.key)
    assert ("http://localhost:11434/v1", KEY) == (found.base_url, found.key)
    assert ("https://api.openai.com/v1", True) == (default.base_url, default.is_openai)
    assert ("models.example", "localhost:11434") == (given.name, found.name)


def test_a_local_server_needs_no_key():
    """A placeholder is sent."""
    access = resolve("http://127.0.0.1:8080/v1")

    assert ("no-key", "") == (access.key, access.key_origin)
    assert "No key was sent: OPENAI_API_KEY is not set." == access.describe_key()


def test_openai_needs_a_key():
    """The error names the variable to set."""
    with pytest.raises(SettingsError, match="there is no key") as caught:
        resolve()

    assert "export OPENAI_API_KEY" in caught.value.remedy


@pytest.mark.parametrize("host", ["gpu-box:8000", "10.0.0.7", "models.example", "[2001:db8::1]"])
def test_the_key_from_the_environment_is_never_sent_unencrypted(host):
    """Plain http to another machine is refused before anything is sent."""
    with pytest.raises(EndpointError, match="would be sent unencrypted") as caught:
        resolve(f"http://{host}/v1", OPENAI_API_KEY=KEY)

    assert KEY not in str(caught.value)
    assert "Nothing was sent." == caught.value.detail


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://127.0.0.1:8080/v1", None),
        ("http://localhost/v1", None),
        ("http://[::1]:8080/v1", None),
        ("http://0.0.0.0:8000/v1", None),
        ("https://models.example/v1", None),
        ("http://gpu-box:8000/v1", ""),
        ("http://gpu-box:8000/v1", "given-for-this-box"),
    ],
)
def test_the_key_is_sent_where_that_is_safe_or_intended(url, key):
    """To this machine, over TLS, or if it was given for this address."""
    assert url == resolve(url, key, OPENAI_API_KEY=KEY).base_url


def test_a_key_that_is_sent_to_another_host_is_announced():
    """Users should know who gets the key of their OpenAI account."""
    elsewhere = resolve("https://models.example/v1", OPENAI_API_KEY=KEY)

    assert "The key from OPENAI_API_KEY is sent to models.example." == elsewhere.notice
    assert "" == resolve(OPENAI_API_KEY=KEY).notice
    assert "" == resolve("https://models.example/v1", "given", OPENAI_API_KEY=KEY).notice


@pytest.mark.parametrize(
    "url",
    ["models.example/v1", "ftp://models.example", "https://", "http://[::1", "http://a:99999999/"],
)
def test_an_invalid_address_is_refused(url):
    """The error shows a valid address."""
    with pytest.raises(SettingsError, match="is not an http or https address"):
        resolve(url)


@pytest.mark.parametrize(
    "url", ["https://me:hunter2@models.example/v1", "https://models.example/v1?key=hunter2"]
)
def test_an_address_with_a_secret_is_refused_and_not_repeated(url):
    """Every error shows the address, so it must not contain a secret."""
    with pytest.raises(SettingsError) as caught:
        resolve(url)

    assert "hunter2" not in str(caught.value)


def test_the_route_is_not_part_of_the_address():
    """A pasted route is a common mistake; the remedy shows the address without it."""
    with pytest.raises(SettingsError) as caught:
        resolve("https://models.example/v1/chat/completions")

    assert "--base-url https://models.example/v1" == caught.value.remedy


@pytest.mark.parametrize("key", ["sk-a\nsk-b", "sk-ä", "two words"])
def test_a_malformed_key_is_an_error_that_does_not_show_it(key):
    """The HTTP library would quote the whole header."""
    with pytest.raises(SettingsError, match=r"character \d+ of the key") as caught:
        resolve("https://models.example/v1", OPENAI_API_KEY=key)

    assert key not in str(caught.value)


def test_the_key_is_redacted():
    """In the value, and in the message of a server that repeats it."""
    access = resolve("https://models.example/v1", "my own very secret".replace(" ", "-"))

    assert "secret" not in repr(access)
    assert "no: [key], [key]" == access.redact("no: my-own-very-secret, sk-proj-****1234")
    assert "The key came from api_key (set, 18 characters)." == access.describe_key()


def test_the_command_line_announces_that_a_foreign_host_gets_the_key(capsys):
    """On standard error, and without the key."""
    endpoint = build_endpoint(
        Settings(base_url="https://models.example/v1", api_key="sk-secret-key-123456"), "m"
    )

    announce(endpoint)

    printed = capsys.readouterr().err
    assert "The key from OPENAI_API_KEY is sent to models.example.\n" == printed


@pytest.mark.parametrize(
    "url", ["http://models.example/v1", "http://10.0.0.7:8000/v1", "http://[2001:db8::1]/v1"]
)
def test_an_endpoint_from_settings_never_sends_the_key_unencrypted(url):
    """Not even in the local network."""
    with pytest.raises(EndpointError, match="would be sent unencrypted") as caught:
        build_endpoint(Settings(base_url=url, api_key="sk-secret-key-123456"), "m")

    assert "sk-secret" not in str(caught.value)


def test_the_client_library_logs_no_key(server_with):
    """Not even with OPENAI_LOG=debug."""
    server = server_with()
    code = (
        "from unillmrec.endpoint import *\nfrom unillmrec.usage import Stage\n"
        f"endpoint = OpenAIEndpoint('m', base_url={server.base_url!r})\n"
        "endpoint.complete(Request(Stage.RANK, (Message('user', 'x'),), 5))\n"
    )
    variables = {"OPENAI_LOG": "debug", "OPENAI_API_KEY": "sk-secret-key-123456"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        env={**os.environ, **variables, "PYTHONPATH": str(Path(__file__).parents[2])},
    )

    assert "Bearer sk-secret-key-123456" == server.headers[0]["authorization"]
    assert b"openai._base_client" in done.stderr
    assert b"sk-secret-key" not in done.stderr + done.stdout
