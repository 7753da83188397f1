import math
from dataclasses import replace

import httpx2
import pytest

from unillmrec.endpoint import CallError, FailureKind, Message, RequestStyle
from unillmrec.endpoint.capabilities.prober import LONG_PROMPT, LabelProbe, Prober, estimate_tokens
from unillmrec.testing import DIALECTS, Dialect, Fault, FaultKind
from unillmrec.testing.dialects import Refusal
from unillmrec.tokens import TokenCounter

COUNTER = TokenCounter.for_model("gpt-4o")


def messages(*lines):
    listed = "\n".join(f"{letter}. {line}" for letter, line in zip("ABC", lines, strict=False))
    return (Message("user", f"Likes chess openings.\n{listed}\nLetter:"),)


PROBE = LabelProbe(
    messages("tax law", "chess openings", "cranes"), ("A", "B", "C"), "B",
    [(messages("things", "things", "things"), ("A", "B", "C"))],
)  # fmt: skip


class Looked:
    """What came of probing a fake server with everything."""

    def __init__(self, prober, server):
        self.server = server
        self.prober = prober
        prober.read_models()
        prober.probe_limit()
        prober.probe_temperature()
        prober.probe_formats()
        prober.probe_length()
        self.lists = prober.probe_labels(PROBE)
        self.outcomes = {each.name: each.outcome for each in prober.findings}
        self.details = {each.name: each.detail for each in prober.findings}
        self.style = prober.style


@pytest.fixture
def look_at(server_with, endpoint_to, impatient):
    """Probe a fake server with everything."""

    def look(dialect="strict-schema", **options):
        server = server_with(dialect=dialect, **options)
        return Looked(Prober(endpoint_to(server, retry_policy=impatient), COUNTER), server)

    return look


BEST = {
    "model": "listed",
    "context": "8,192 tokens",
    "limit": "max_completion_tokens",
    "thinking": "no",
    "temperature": "accepted",
    "schema": "enforced",
    "json object": "works",
    "usage": "plausible",
    "cached tokens": "reported",
    "long prompt": "fits",
    "log probabilities": "usable",
}
WITHOUT = BEST | {"context": "not reported", "log probabilities": "none"}
OUTCOMES = {
    "logprobs": (BEST, RequestStyle(labels=True)),
    "strict-schema": (WITHOUT, RequestStyle(labels=False)),
    "schema-refused-400": (WITHOUT | {"schema": "refused"}, RequestStyle("json_object")),
    "schema-refused-500": (WITHOUT | {"schema": "refused"}, RequestStyle("json_object")),
    "schema-ignored": (WITHOUT | {"schema": "ignored"}, RequestStyle("json_object")),
    "no-usage": (
        WITHOUT | {"usage": "none", "cached tokens": "not reported"} | {"long prompt": "unknown"},
        RequestStyle(),
    ),
    "no-logprobs": (WITHOUT | {"log probabilities": "refused"}, RequestStyle()),
    "no-max-tokens": (WITHOUT, RequestStyle()),
    "known-fields-only": (
        WITHOUT | {"limit": "max_tokens", "log probabilities": "refused"},
        RequestStyle(limit_parameter="max_tokens"),
    ),
    "plain-text-only": (
        WITHOUT | {"schema": "refused", "json object": "refused", "cached tokens": "not reported"},
        RequestStyle("text"),
    ),
    "thinking": (
        WITHOUT | {"thinking": "yes", "temperature": "refused", "log probabilities": "refused"},
        RequestStyle(temperature=False),
    ),
    "cuts-prompts": (WITHOUT | {"long prompt": "cut"}, RequestStyle()),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_kind_of_server_is_seen_through(dialect, look_at):
    """Each outcome is the dialect's, and the way of asking follows from them."""
    outcomes, way = OUTCOMES[dialect]

    looked = look_at(dialect)

    assert outcomes == looked.outcomes
    assert replace(way, labels=dialect == "logprobs") == looked.style
    assert looked.server.billed.calls == looked.prober.client.usage.calls


def test_what_looking_costs_is_said_before(look_at):
    """The estimate is what it comes to, give or take the answers."""
    for dialect, long in (("logprobs", False), ("strict-schema", True)):
        looked = look_at(dialect)
        billed = looked.server.billed
        said = estimate_tokens(COUNTER, PROBE, long=long)
        # Answers are as long as they may be in the estimate, and seldom so.
        assert 0.7 * said < billed.prompt + billed.completion < 1.1 * said
        assert said < (LONG_PROMPT + 1_000 if long else 1_000)


def test_a_limit_that_is_ignored_is_put_in_the_other_way(look_at):
    """A server may take a parameter and do nothing about it."""
    counting = ", ".join(map(str, range(1, 41)))
    one = look_at(Dialect(ignores=frozenset({"max_completion_tokens"})), answer=lambda _: counting)
    both = frozenset({"max_completion_tokens", "max_tokens"})
    none = look_at(Dialect(ignores=both), answer=lambda _: counting)

    assert ("max_tokens", "max_tokens") == (one.outcomes["limit"], one.style.limit_parameter)
    assert "ignored" == none.outcomes["limit"]


def test_a_server_that_takes_no_request_at_all_ends_the_looking(look_at):
    """There is nothing to find out about it."""
    with pytest.raises(CallError) as caught:
        look_at(faults=[Fault.status(404)] * 9)

    assert FailureKind.MODEL is caught.value.kind


@pytest.mark.parametrize(
    ("faults", "name"),
    [
        ([None, 429], "temperature"),
        ([None, None, 503], "schema"),
        ([None, None, None, 429], "json object"),
        ([None, None, FaultKind.NULL_CONTENT], "schema"),
        ([None] * 4 + [503], "long prompt"),
        ([None] * 5 + [429], "log probabilities"),
    ],
)
def test_a_bad_moment_is_no_refusal(faults, name, look_at):
    """What nobody knows is left as it is, and negotiated when it is needed."""
    looked = look_at(faults=faults)

    assert "unknown" == looked.outcomes[name]
    assert ("json_schema", True) == (looked.style.response_format, looked.style.temperature)
    if name == "log probabilities":
        assert looked.style.labels is None


def test_a_key_that_is_not_taken_is_an_error(server_with, endpoint_to):
    """It is told by the list of models already, for nothing."""
    server = server_with(key="sk-another")

    with pytest.raises(CallError, match="HTTP 401"):
        Prober(endpoint_to(server), COUNTER).read_models()

    assert [] == server.requests


def test_a_model_that_is_not_listed_is_told_with_those_that_are(server_with, endpoint_to):
    """The commonest mistake is a wrong name."""
    server = server_with(model="qwen3:8b")
    prober = Prober(endpoint_to(server), COUNTER)

    prober.read_models()

    assert ("not listed", "listed are qwen3:8b") == (
        prober.findings[0].outcome,
        prober.findings[0].detail,
    )


def test_a_context_that_is_too_short_needs_no_trying(look_at):
    """The server says so itself."""
    looked = look_at(Dialect(context=2048))

    assert ("too long", "2,048 tokens") == (
        looked.outcomes["long prompt"],
        looked.outcomes["context"],
    )


def test_without_usage_the_answer_shows_whether_a_prompt_was_cut(look_at):
    """A word from the beginning of a long prompt is asked for."""

    def attentive(body):
        content = body["messages"][-1]["content"]
        return content.split()[3] if content.startswith("The password") else "{}"

    attentive_one = look_at("no-usage", answer=attentive)
    other = look_at("no-usage")

    assert "fits" == attentive_one.outcomes["long prompt"]
    assert "unknown" == other.outcomes["long prompt"]


def test_a_bill_that_is_always_the_same_is_not_believed(look_at):
    """Some proxies report a canned one."""
    looked = look_at(count=lambda text: 7)

    assert "implausible" == looked.outcomes["usage"]


def told(*alternatives):
    """Return log probabilities as servers tell them; the first token is the one written."""
    entries = [{"token": token, "logprob": math.log(share)} for token, share in alternatives]
    return {"content": [entries[0] | {"top_logprobs": entries}]}


@pytest.mark.parametrize(
    ("text", "logprobs", "outcome"),
    [
        ("B", told(("B", 0.9), ("A", 0.1)), "usable"),
        ("", told((" B", 0.9), ("A", 0.1)), "usable"),
        ("B", None, "none"),
        ("B", told(("B", 1.0)), "only one"),
        ("B", told(("B", 0.9), ("A", 0.9)), "no probabilities"),
        ("<think>", told(("<think>", 0.9), ("B", 0.1)), "not on letters"),
        ("Sure", told(("B", 0.9), ("A", 0.1)), "not aligned"),
        ("A", told(("A", 0.9), ("B", 0.1)), "wrong letter"),
    ],
)
def test_probabilities_have_to_be_those_of_the_answer(text, logprobs, outcome, endpoint_to):
    """Anything less than letters that follow the question is not used, and said in a word."""

    def answer(request):
        choice = {"message": {"content": text}, "finish_reason": "length", "logprobs": logprobs}
        return httpx2.Response(200, json={"choices": [choice]})

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    prober = Prober(endpoint_to("https://models.example/v1", http_client=client), COUNTER)

    lists = prober.probe_labels(PROBE)

    assert [outcome] == [each.outcome for each in prober.findings]
    assert (outcome == "usable") == prober.style.labels == bool(lists)


def test_a_bias_can_lead_a_model_astray(look_at):
    """Where the plain question is answered with a letter that is liked, letters are not asked."""
    looked = look_at(Dialect(tells_logprobs=True, label_bias=(9.0,)))

    assert "wrong letter" == looked.outcomes["log probabilities"]
    assert (False, []) == (looked.style.labels, looked.lists)


def test_the_bias_is_measured_on_lists_without_a_best_line(look_at):
    """What is left there is the model's taste for letters."""
    looked = look_at(Dialect(tells_logprobs=True, label_bias=(0.5, 0.0, -0.5)))

    (shares,) = looked.lists
    assert ["A", "B", "C"] == [label for label, _ in shares]
    assert 0.4 < dict(shares)["A"] < 0.6


def test_thinking_gets_room(look_at):
    """Otherwise each probe would end before the answer begins."""
    looked = look_at("thinking")

    limits = [body["max_completion_tokens"] for body in looked.server.requests]
    assert [12, 12] == limits[:2]
    assert all(limit > 500 for limit in limits[2:5])


def test_refusals_can_have_any_form(look_at):
    """What is refused by name, by place or without a word, it is seen."""
    refuses = {
        "temperature": Refusal(422, "loc"),
        "json_schema": Refusal(501, "nowhere"),
        "json_object": Refusal(400, "text"),
    }

    looked = look_at(Dialect(refuses=refuses))

    names = ("temperature", "schema", "json object")
    assert ["refused"] * 3 == [looked.outcomes[name] for name in names]
    assert RequestStyle("text", temperature=False, labels=False) == looked.style
