"""Any proxy, certificate and header variables: one sentence, and never a traceback."""

import pytest

from unillmrec.endpoint import CallError, OpenAIEndpoint, RetryPolicy
from unillmrec.errors import SettingsError

ENVIRONMENTS = [
    {"HTTPS_PROXY": "socks5://127.0.0.1:1"},
    {"HTTPS_PROXY": "http://127.0.0.1:99999999"},
    {"HTTPS_PROXY": "http://127.0.0.1:port"},
    {"HTTPS_PROXY": "ftp://\u00e9"},
    {"ALL_PROXY": "socks4://[::1"},
    {"NO_PROXY": "[::1, \u00e9, *"},
    {"SSL_CERT_FILE": "/nowhere/at/all"},
    {"SSL_CERT_FILE": "/dev/null"},
    {"SSL_CERT_DIR": "/nowhere"},
    {"SSLKEYLOGFILE": "/nowhere/at/all"},
    {"OPENAI_CUSTOM_HEADERS": "X-A: \u00e9\u4e2d"},
    {"OPENAI_CUSTOM_HEADERS": "nothing"},
    {"OPENAI_ORG_ID": "\u4e2d"},
]


@pytest.mark.parametrize("variables", ENVIRONMENTS)
@pytest.mark.parametrize("url", ["https://127.0.0.1:1/v1", "https://no-such-host.invalid/v1"])
def test_any_environment(variables, url, question, monkeypatch):
    """The error says which variable may be wrong, or that nothing answers."""
    for name in ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    options = {"retry_policy": RetryPolicy(attempts=1), "timeout_seconds": 0.3}

    with (
        OpenAIEndpoint("m", base_url=url, api_key="sk-0123456789", **options) as endpoint,
        pytest.raises((CallError, SettingsError)) as caught,
    ):
        endpoint.complete(question)

    assert len(str(caught.value)) < 600
    assert "sk-0123" not in str(caught.value)


def test_certificates_of_the_environment_count_on_this_machine(question, monkeypatch):
    """As they do for every other server."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/at/all")

    with (
        OpenAIEndpoint("m", base_url="https://127.0.0.1:1/v1", api_key="") as endpoint,
        pytest.raises(SettingsError, match="SSL_CERT_FILE"),
    ):
        endpoint.complete(question)
