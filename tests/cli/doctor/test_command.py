import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import lead_to, names_in
from unillmrec.cli.doctor.command import FIELDS
from unillmrec.testing import DIALECTS, Dialect, FakeServer, Fault

MEMORY = Path("state/unillmrec/endpoints.json")
HISTORY = "item-000,item-006,item-012"


@pytest.fixture
def speaking(monkeypatch):
    """Start a server with a dialect, and point the settings at it."""
    servers = []

    def start(dialect, **options):
        server = FakeServer(dialect=dialect, **options)
        server.__enter__()
        servers.append(server)
        lead_to(server, monkeypatch)
        return server

    yield start
    for server in servers:
        server.__exit__()


def test_prints_what_the_endpoint_supports_and_how_it_will_be_asked(run, speaking):
    """The cost first; then a line per probe, the request style, and the usage."""
    server = speaking("logprobs")

    ended = run("doctor")

    assert 0 == ended.code
    result = f"Asking fake-model at {server.base_url[7:-3]}: about 1,[0-9]{{3}} tokens in all.\n"
    assert re.fullmatch(result, ended.err)
    assert re.fullmatch(
        rf"fake-model at {server.base_url}\n\n"
        r"model +listed .*\ncontext +8,192 tokens\nlimit +max_completion_tokens\n"
        r"thinking +no\ntemperature +accepted\nschema +enforced\njson object +works\n"
        r"usage +plausible .*\ncached tokens +reported\nlong prompt +fits .*\n"
        r"log probabilities +usable .*\nlabel bias +measured .*\n\n"
        r"Branches are asked about by the probabilities of letters: .*\n"
        r"Everything else is asked with a JSON schema\.\n\n"
        rf"7 calls, [\d,]+ prompt and \d+ completion tokens, .* s\. Stored in .*{MEMORY}\.\n",
        ended.out,
    )


def test_advises_how_to_configure_the_server(run, speaking):
    """It names flags of servers that could do better."""
    speaking("cuts-prompts")

    ended = run("doctor")

    assert "4,000 of them to see whether a long prompt is cut" in ended.err
    assert "2,048 of about 3,7" in ended.out
    assert "Ollama with OLLAMA_CONTEXT_LENGTH=8192" in ended.out


def test_json_has_the_documented_fields(run, speaking):
    """One object, with the bias of each letter."""
    server = speaking("logprobs")

    result = run("doctor", "--json").json

    assert names_in(FIELDS) == sorted(result)
    assert (server.base_url, "fake-model", True) == tuple(
        result[name] for name in ("base_url", "model", "usable")
    )
    assert {"name": "schema", "outcome": "enforced", "detail": ""} in result["findings"]
    assert {
        "branches": "labels",
        "others": "schema",
        "limit_parameter": "max_completion_tokens",
        "temperature": 0,
    } == result["way"]
    assert (20, [], server.billed.calls) == (
        len(result["label_bias"]),
        result["advice"],
        result["usage"]["calls"],
    )
    assert result["memory"].endswith(str(MEMORY))


def test_later_runs_use_the_stored_capabilities(run, speaking, shop):
    """Branches cost one output token each, and refused parameters are not sent again."""
    server = speaking("logprobs")
    assert 0 == run("doctor").code
    looked = len(server.requests)

    result = run("recommend", shop, "--history", HISTORY, "--json", "--trace", "t.jsonl").json

    lines = [json.loads(line) for line in Path("t.jsonl").read_text().splitlines()]
    letters = [line for line in lines if line.get("asked_with") == "labels"]
    assert 10 == len(result["items"])
    assert {"choose"} == {line["kind"] for line in letters}
    assert sum("logprobs" in body for body in server.requests[looked:]) == len(letters) > 0
    assert all(1 == line["usage"]["completion"] for line in letters)
    assert all(0 <= line["off_labels"] <= 0.5 for line in letters)
    used = [line for line in letters if "uninformative" not in line]
    assert all(0.5 <= sum(share for _, share in line["shares"]) <= 1 for line in used)
    digests = {line["prompt"] for line in letters}
    assert digests.isdisjoint(line["prompt"] for line in lines if line not in letters)


def test_ask_overrides_the_stored_capabilities(run, speaking, shop):
    """--ask decides, whatever was probed."""
    server = speaking("logprobs")
    run("doctor")
    looked = len(server.requests)

    assert 0 == run("recommend", shop, "--history", HISTORY, "--ask", "object").code

    formats = {body["response_format"]["type"] for body in server.requests[looked:]}
    assert {"json_object"} == formats


def test_a_capability_that_is_lost_costs_one_request(run, speaking, shop):
    """If a restarted server supports less, the stored capabilities are corrected."""
    server = speaking("logprobs")
    run("doctor")
    server.dialect = DIALECTS["no-logprobs"]
    looked = len(server.requests)

    ended = [run("recommend", shop, "--history", HISTORY, "--concurrency", "1") for _ in range(2)]

    assert [0, 0] == [each.code for each in ended]
    assert 1 == sum("logprobs" in body for body in server.requests[looked:])
    (entry,) = json.loads(MEMORY.read_text())["endpoints"].values()
    assert entry["labels"] is False


def test_forget_deletes_what_is_stored(run, speaking):
    """Nothing is sent, and other endpoints are kept."""
    server = speaking("strict-schema")
    run("doctor")
    asked = len(server.requests)

    first, second = run("doctor", "--forget"), run("doctor", "--forget", "--json").json

    assert f"Deleted what was stored about fake-model at {server.base_url}.\n" == first.out
    assert ["base_url", "forgotten", "memory", "model"] == sorted(second)
    assert second["forgotten"] is False
    assert asked == len(server.requests)


def test_stores_nothing_if_the_memory_is_off(run, speaking, monkeypatch):
    """The output says so."""
    monkeypatch.setenv("UNILLMREC_ENDPOINT_MEMORY", "off")
    speaking("strict-schema")

    ended = run("doctor")

    assert "Not stored: the memory is off." in ended.out
    assert not MEMORY.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"faults": [Fault.status(404)] * 9}, "answered HTTP 404"),
        ({"key": "sk-other"}, "answered HTTP 401"),
    ],
)
def test_an_unusable_endpoint_exits_with_four(run, speaking, options, words):
    """With a reason and a remedy, as every other command."""
    speaking(Dialect(), **options)

    ended = run("doctor")

    assert 4 == ended.code
    assert words in ended.err


def test_an_unreachable_server_exits_with_four(run):
    """Nothing was probed."""
    ended = run("doctor", "--model", "m", "--base-url", "http://127.0.0.1:1/v1")

    assert (4, "") == (ended.code, ended.out)
    assert "nothing listens there" in ended.err


def test_an_endpoint_is_required(run):
    """The error names what is missing."""
    ended = run("doctor")

    assert 3 == ended.code
    assert "a model (UNILLMREC_MODEL or --model)" in ended.err


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_same_command_works_with_every_dialect(run, speaking, shop, dialect):
    """With address and model only; a second process repeats no refused request."""
    server = speaking(dialect)

    first = run("recommend", shop, "--history", HISTORY, "--json")
    refused = sum(status != 200 for status in server.statuses)
    second = run("recommend", shop, "--history", HISTORY, "--json")

    assert (0, 0) == (first.code, second.code)
    for result in (first.json, second.json):
        assert 10 == len({each["id"] for each in result["items"]})
        assert (0, "") == (result["dropped"]["fallbacks"], result["partial"])
    assert refused == sum(status != 200 for status in server.statuses)
