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
    """Start a server that speaks a dialect, with the settings leading to it."""
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


def test_shows_what_the_endpoint_can_do_and_how_it_is_asked(run, speaking):
    """A line for each probe, the way that follows, what was spent; the cost is said first."""
    server = speaking("logprobs")

    ended = run("doctor")

    assert 0 == ended.code
    told = f"Asking fake-model at {server.base_url[7:-3]}: about 1,[0-9]{{3}} tokens in all.\n"
    assert re.fullmatch(told, ended.err)
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


def test_says_what_would_help(run, speaking):
    """In words, with the flags of the servers that could do better."""
    speaking("cuts-prompts")

    ended = run("doctor")

    assert "4,000 of them to see whether a long prompt is cut" in ended.err
    assert "2,048 of about 3,7" in ended.out
    assert "Ollama with OLLAMA_CONTEXT_LENGTH=8192" in ended.out


def test_json_has_the_fields_it_promises(run, speaking):
    """One object, with the bias letter by letter."""
    server = speaking("logprobs")

    told = run("doctor", "--json").json

    assert names_in(FIELDS) == sorted(told)
    assert (server.base_url, "fake-model", True) == tuple(
        told[name] for name in ("base_url", "model", "usable")
    )
    assert {"name": "schema", "outcome": "enforced", "detail": ""} in told["findings"]
    assert {
        "branches": "labels",
        "others": "schema",
        "limit_parameter": "max_completion_tokens",
        "temperature": 0,
    } == told["way"]
    assert (20, [], server.billed.calls) == (
        len(told["label_bias"]),
        told["advice"],
        told["usage"]["calls"],
    )
    assert told["memory"].endswith(str(MEMORY))


def test_later_runs_ask_in_the_way_that_was_found(run, speaking, shop):
    """Branches cost a token of output each, and nothing that is refused is sent again."""
    server = speaking("logprobs")
    assert 0 == run("doctor").code
    looked = len(server.requests)

    told = run("recommend", shop, "--history", HISTORY, "--json", "--trace", "t.jsonl").json

    lines = [json.loads(line) for line in Path("t.jsonl").read_text().splitlines()]
    letters = [line for line in lines if line.get("asked_with") == "labels"]
    assert 10 == len(told["items"])
    assert {"choose"} == {line["kind"] for line in letters}
    assert sum("logprobs" in body for body in server.requests[looked:]) == len(letters) > 0
    assert all(1 == line["usage"]["completion"] for line in letters)
    assert all(0 <= line["off_labels"] <= 0.5 for line in letters)
    assert all(0.5 <= sum(share for _, share in line["shares"]) <= 1 for line in letters)
    digests = {line["prompt"] for line in letters}
    assert digests.isdisjoint(line["prompt"] for line in lines if line not in letters)


def test_the_user_has_the_last_word(run, speaking, shop):
    """Found to work or not, --ask says how a model is asked."""
    server = speaking("logprobs")
    run("doctor")
    looked = len(server.requests)

    assert 0 == run("recommend", shop, "--history", HISTORY, "--ask", "object").code

    formats = {body["response_format"]["type"] for body in server.requests[looked:]}
    assert {"json_object"} == formats


def test_letters_that_stop_working_cost_one_request(run, speaking, shop):
    """A server that is restarted otherwise is understood, and the file is put right."""
    server = speaking("logprobs")
    run("doctor")
    server.dialect = DIALECTS["no-logprobs"]
    looked = len(server.requests)

    ended = [run("recommend", shop, "--history", HISTORY, "--concurrency", "1") for _ in range(2)]

    assert [0, 0] == [each.code for each in ended]
    assert 1 == sum("logprobs" in body for body in server.requests[looked:])
    (entry,) = json.loads(MEMORY.read_text())["endpoints"].values()
    assert entry["labels"] is False


def test_forgets(run, speaking):
    """Nothing is sent, and nothing but this endpoint is forgotten."""
    server = speaking("strict-schema")
    run("doctor")
    asked = len(server.requests)

    first, second = run("doctor", "--forget"), run("doctor", "--forget", "--json").json

    assert f"Deleted what was stored about fake-model at {server.base_url}.\n" == first.out
    assert ["base_url", "forgotten", "memory", "model"] == sorted(second)
    assert second["forgotten"] is False
    assert asked == len(server.requests)


def test_keeps_nothing_where_the_memory_is_off(run, speaking, monkeypatch):
    """And says so."""
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
def test_an_endpoint_that_cannot_be_used_is_exit_code_4(run, speaking, options, words):
    """With the reason and a remedy, as for every other command."""
    speaking(Dialect(), **options)

    ended = run("doctor")

    assert 4 == ended.code
    assert words in ended.err


def test_a_server_that_is_not_there_is_exit_code_4(run):
    """Nothing was looked at."""
    ended = run("doctor", "--model", "m", "--base-url", "http://127.0.0.1:1/v1")

    assert (4, "") == (ended.code, ended.out)
    assert "nothing listens there" in ended.err


def test_without_an_endpoint_there_is_nothing_to_look_at(run):
    """The error names what is missing."""
    ended = run("doctor")

    assert 3 == ended.code
    assert "a model (UNILLMREC_MODEL or --model)" in ended.err


@pytest.mark.parametrize("dialect", DIALECTS)
def test_one_unchanged_command_works_with_every_kind_of_server(run, speaking, shop, dialect):
    """No flags but address and model; a second process repeats no refusal of the first."""
    server = speaking(dialect)

    first = run("recommend", shop, "--history", HISTORY, "--json")
    refused = sum(status != 200 for status in server.statuses)
    second = run("recommend", shop, "--history", HISTORY, "--json")

    assert (0, 0) == (first.code, second.code)
    for told in (first.json, second.json):
        assert 10 == len({each["id"] for each in told["items"]})
        assert (0, "") == (told["dropped"]["fallbacks"], told["partial"])
    assert refused == sum(status != 200 for status in server.statuses)
