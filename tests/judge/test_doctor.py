import pytest

from unillmrec.endpoint import OpenAIEndpoint
from unillmrec.endpoint.capabilities.capability_store import CapabilityStore
from unillmrec.judge.doctor import ADVICE, Doctor
from unillmrec.judge.prompting.letters import LETTERS
from unillmrec.testing import Dialect, FakeServer


@pytest.fixture
def examine(writer, tmp_path):
    """Probe a fake server; return the estimated cost, the report, and the server."""

    def examine(dialect):
        with FakeServer(dialect=dialect) as server:
            notes = tmp_path / "endpoints.json"
            with OpenAIEndpoint(
                server.model,
                base_url=server.base_url,
                api_key="",
                environ={},
                capabilities_file=notes,
            ) as endpoint:
                examiner = Doctor(endpoint, writer)
                return examiner.estimate_tokens(), examiner.probe(), server

    return examine


def test_the_result_is_stored(examine, writer, tmp_path):
    """The next process uses the same request style, and the bias of this prompt."""
    taste = tuple(0.1 * place for place in range(len(LETTERS)))

    cost, report, server = examine(Dialect(tells_logprobs=True, label_bias=taste, context=8192))

    known = CapabilityStore(tmp_path / "endpoints.json", server.base_url, server.model).read()
    assert (report.style, report.label_bias) == (known.style, known.label_bias)
    assert report.asks_by_letters
    assert writer.prompts["label"].digest == known.label_prompt
    assert list(LETTERS) == sorted(report.label_bias, key=report.label_bias.get)
    assert 0.8 * cost < server.billed.prompt + server.billed.completion < 1.1 * cost
    assert cost < 1_500


def test_without_letters_no_bias_is_stored(examine, tmp_path):
    """There is nothing to measure."""
    _, report, server = examine("strict-schema")

    known = CapabilityStore(tmp_path / "endpoints.json", server.base_url, server.model).read()
    assert ({}, "", False) == (known.label_bias, known.label_prompt, report.asks_by_letters)
    assert "not measured" == report.findings[-1].outcome


def test_advice_is_about_poor_outcomes_and_given_once(examine):
    """A server that supports everything gets none."""
    _, best, _ = examine("logprobs")
    _, worst, _ = examine("plain-text-only")

    assert [] == best.advice
    assert ["schema", "cached tokens", "log probabilities"] == [name for name, _ in worst.advice]


def test_advice_is_only_for_existing_outcomes(examine):
    """Renaming a probe or an outcome must rename its advice."""
    seen = [
        each for name in ("plain-text-only", "cuts-prompts") for each in examine(name)[1].findings
    ]

    assert {each.name for each in seen} >= {name for name, _ in ADVICE}
    assert 4 == len({(each.name, each.outcome) for each in seen} & ADVICE.keys())
