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


class Probed:
    """The findings of all probes of a fake server."""

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
def probe(server_with, endpoint_to, no_retries):
    """Run all probes on a fake server."""

    def run(dialect="strict-schema", **options):
        server = server_with(dialect=dialect, **options)
        return Probed(Prober(endpoint_to(server, retry_policy=no_retries), COUNTER), server)

    return run


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
def test_the_findings_match_the_dialect(dialect, probe):
    """And the request style follows from them."""
    outcomes, way = OUTCOMES[dialect]

    probed = probe(dialect)

    assert outcomes == probed.outcomes
    assert replace(way, labels=dialect == "logprobs") == probed.style
    assert probed.server.billed.calls == probed.prober.client.usage.calls


def test_the_cost_of_probing_is_estimated_before(probe):
    """The estimate is close to what is billed."""
    for dialect, long in (("logprobs", False), ("strict-schema", True)):
        probed = probe(dialect)
        billed = probed.server.billed
        estimate = estimate_tokens(COUNTER, PROBE, long=long)
        # The estimate assumes answers of the maximum length.
        assert 0.7 * estimate < billed.prompt + billed.completion < 1.1 * estimate
        assert estimate < (LONG_PROMPT + 1_000 if long else 1_000)


def test_an_ignored_limit_parameter_is_replaced_by_the_other(probe):
    """A server may accept a parameter without effect."""
    counting = ", ".join(map(str, range(1, 41)))
    one = probe(Dialect(ignores=frozenset({"max_completion_tokens"})), answer=lambda _: counting)
    both = frozenset({"max_completion_tokens", "max_tokens"})
    none = probe(Dialect(ignores=both), answer=lambda _: counting)

    assert ("max_tokens", "max_tokens") == (one.outcomes["limit"], one.style.limit_parameter)
    assert "ignored" == none.outcomes["limit"]


def test_a_server_that_answers_no_request_is_an_error(probe):
    """There is nothing to probe."""
    with pytest.raises(CallError) as caught:
        probe(faults=[Fault.status(404)] * 9)

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
def test_a_temporary_failure_is_not_a_refusal(faults, name, probe):
    """The outcome is unknown, and the parameter is negotiated later."""
    probed = probe(faults=faults)

    assert "unknown" == probed.outcomes[name]
    assert ("json_schema", True) == (probed.style.response_format, probed.style.temperature)
    if name == "log probabilities":
        assert probed.style.labels is None


def test_a_rejected_key_is_an_error(server_with, endpoint_to):
    """The list of models, which costs nothing, already shows it."""
    server = server_with(key="sk-another")

    with pytest.raises(CallError, match="HTTP 401"):
        Prober(endpoint_to(server), COUNTER).read_models()

    assert [] == server.requests


def test_an_unlisted_model_is_reported_with_the_listed_ones(server_with, endpoint_to):
    """A wrong name is the most common mistake."""
    server = server_with(model="qwen3:8b")
    prober = Prober(endpoint_to(server), COUNTER)

    prober.read_models()

    assert ("not listed", "listed are qwen3:8b") == (
        prober.findings[0].outcome,
        prober.findings[0].detail,
    )


def test_a_reported_context_replaces_the_long_prompt(probe):
    """Nothing has to be sent."""
    probed = probe(Dialect(context=2048))

    assert ("too long", "2,048 tokens") == (
        probed.outcomes["long prompt"],
        probed.outcomes["context"],
    )


def test_without_usage_the_answer_shows_whether_a_prompt_was_truncated(probe):
    """The prompt asks for a word from its beginning."""

    def attentive(body):
        content = body["messages"][-1]["content"]
        return content.split()[3] if content.startswith("The password") else "{}"

    attentive_server = probe("no-usage", answer=attentive)
    other = probe("no-usage")

    assert "fits" == attentive_server.outcomes["long prompt"]
    assert "unknown" == other.outcomes["long prompt"]


def test_constant_usage_is_implausible(probe):
    """Some proxies report the same counts for every request."""
    probed = probe(count=lambda text: 7)

    assert "implausible" == probed.outcomes["usage"]


def logprobs_of(*alternatives):
    """Return log probabilities as servers report them; the first token is the sampled one."""
    entries = [{"token": token, "logprob": math.log(share)} for token, share in alternatives]
    return {"content": [entries[0] | {"top_logprobs": entries}]}


@pytest.mark.parametrize(
    ("text", "logprobs", "outcome"),
    [
        ("B", logprobs_of(("B", 0.9), ("A", 0.1)), "usable"),
        ("", logprobs_of((" B", 0.9), ("A", 0.1)), "usable"),
        ("B", None, "none"),
        ("B", logprobs_of(("B", 1.0)), "only one"),
        ("B", logprobs_of(("B", 0.9), ("A", 0.9)), "no probabilities"),
        ("<think>", logprobs_of(("<think>", 0.9), ("B", 0.1)), "not on letters"),
        ("Sure", logprobs_of(("B", 0.9), ("A", 0.1)), "not aligned"),
        ("A", logprobs_of(("A", 0.9), ("B", 0.1)), "wrong letter"),
    ],
)
def test_log_probabilities_must_fit_the_answer(text, logprobs, outcome, endpoint_to):
    """Each defect has its own outcome, and labels are not used."""

    def answer(request):
        choice = {"message": {"content": text}, "finish_reason": "length", "logprobs": logprobs}
        return httpx2.Response(200, json={"choices": [choice]})

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    prober = Prober(endpoint_to("https://models.example/v1", http_client=client), COUNTER)

    lists = prober.probe_labels(PROBE)

    assert [outcome] == [each.outcome for each in prober.findings]
    assert (outcome == "usable") == prober.style.labels == bool(lists)


def test_a_strong_bias_makes_labels_unusable(probe):
    """A model that prefers one letter even to the right answer is not asked by letters."""
    probed = probe(Dialect(tells_logprobs=True, label_bias=(9.0,)))

    assert "wrong letter" == probed.outcomes["log probabilities"]
    assert (False, []) == (probed.style.labels, probed.lists)


def test_the_bias_is_measured_on_neutral_lists(probe):
    """Without a best choice, only the model's preference for letters is left."""
    probed = probe(Dialect(tells_logprobs=True, label_bias=(0.5, 0.0, -0.5)))

    (shares,) = probed.lists
    assert ["A", "B", "C"] == [label for label, _ in shares]
    assert 0.4 < dict(shares)["A"] < 0.6


def test_reasoning_models_get_a_larger_limit(probe):
    """Otherwise each probe would end before the answer begins."""
    probed = probe("thinking")

    limits = [body["max_completion_tokens"] for body in probed.server.requests]
    assert [12, 12] == limits[:2]
    assert all(limit > 500 for limit in limits[2:5])


def test_refusals_are_recognized_in_any_form(probe):
    """Whether they name the parameter, its location, or nothing."""
    refuses = {
        "temperature": Refusal(422, "loc"),
        "json_schema": Refusal(501, "nowhere"),
        "json_object": Refusal(400, "text"),
    }

    probed = probe(Dialect(refuses=refuses))

    names = ("temperature", "schema", "json object")
    assert ["refused"] * 3 == [probed.outcomes[name] for name in names]
    assert RequestStyle("text", temperature=False, labels=False) == probed.style
