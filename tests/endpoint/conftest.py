import time

import pytest

from unillmrec.endpoint import Message, OpenAIEndpoint, Request, RetryPolicy, Schema
from unillmrec.testing import FakeServer
from unillmrec.usage import Stage

PICKS = Schema(
    "picks",
    {
        "type": "object",
        "properties": {
            "picks": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "number": {"type": "integer"},
                        "score": {"type": "integer"},
                    },
                    "required": ["number", "score"],
                    "additionalProperties": False,
                },
            }
        },
        "required": ["picks"],
        "additionalProperties": False,
    },
)


@pytest.fixture
def question():
    """A request with a schema, for a choice among three items."""
    text = 'Likes slow rivers.\n1. A fast car\n2. Slow rivers\n3. Rivers\nJSON: {"picks": []}'
    messages = (Message("system", "You choose."), Message("user", text))
    return Request(Stage.RECALL, messages, max_output=200, schema=PICKS)


@pytest.fixture
def server_with():
    """Start fake servers, and stop them all after the test."""
    servers = []

    def start(**options):
        server = FakeServer(**options)
        server.__enter__()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.__exit__()


@pytest.fixture
def pauses():
    """The waits between attempts, in seconds; nothing really waits."""
    return []


@pytest.fixture
def endpoint_to(pauses):
    """Create endpoints that neither sleep nor read the environment; close them after the test."""
    endpoints = []

    def connect(server, **options):
        patient = {"sleep": pauses.append, "clock": lambda: time.monotonic() + sum(pauses)}
        options = {"api_key": "sk-secret-key-123456", **patient} | options
        url = server if isinstance(server, str) else server.base_url
        endpoint = OpenAIEndpoint("fake-model", base_url=url, environ={}, **options)
        endpoints.append(endpoint)
        return endpoint

    yield connect
    for endpoint in endpoints:
        endpoint.close()


@pytest.fixture
def no_retries():
    """A policy without retries."""
    return RetryPolicy(attempts=1)
