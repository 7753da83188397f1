"""Probe what an endpoint supports, choose the best request style, and advise how to improve it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from unillmrec.endpoint import OpenAIEndpoint
from unillmrec.endpoint.capabilities.capability_store import Capabilities
from unillmrec.endpoint.capabilities.prober import Finding, LabelProbe, Prober, estimate_tokens
from unillmrec.endpoint.capabilities.request_style import RequestStyle
from unillmrec.judge.prompting.letters import (
    LETTERS,
    empty_questions,
    letters_of,
    mean_bias,
    plain_question,
)
from unillmrec.judge.prompting.prompt_writer import PromptWriter
from unillmrec.usage import Usage

_PLAIN_ANSWER = "C"
_LOGPROBS_ADVICE = (
    "use a server that reports log probabilities: vLLM, SGLang and llama-server do; "
    "llama-cpp-python does with --logits_all true, and OpenAI for models without reasoning"
)
_SCHEMA_ADVICE = (
    "use a server that enforces a JSON schema: vLLM, SGLang, llama-server, Ollama, LM Studio, or "
    "OpenAI from gpt-4o on; a proxy has to pass response_format on"
)
ADVICE: Mapping[tuple[str, str], str] = {
    ("model", "not listed"): "use --model with a name that the server lists",
    ("limit", "ignored"): (
        "use a server that respects max_tokens; with this one, replies may be long and expensive"
    ),
    ("thinking", "yes"): (
        "turn reasoning off if the model allows it: in unillmrec.toml, "
        "[extra_body.chat_template_kwargs] with enable_thinking = false for Qwen3 on vLLM, SGLang "
        "or llama-server"
    ),
    ("schema", "refused"): _SCHEMA_ADVICE,
    ("schema", "ignored"): _SCHEMA_ADVICE,
    ("usage", "none"): "use a server that reports usage; without it, bills say unknown",
    ("usage", "implausible"): (
        "rely on our own estimates; a proxy may be inventing the usage it reports"
    ),
    ("cached tokens", "not reported"): (
        "start vLLM with --enable-prompt-tokens-details, SGLang with --enable-cache-report; "
        "without it, savings by prefix caches are invisible"
    ),
    ("long prompt", "cut"): (
        "set a longer context: Ollama with OLLAMA_CONTEXT_LENGTH=8192 in its environment; "
        "now the model does not see the beginning of a long prompt"
    ),
    ("long prompt", "too long"): (
        "set a longer context: llama-server -c 8192 for each of its slots (-np), "
        "vLLM --max-model-len 8192"
    ),
    ("long prompt", "refused"): "set a longer context, or use a model that has one",
    ("log probabilities", "none"): _LOGPROBS_ADVICE,
    ("log probabilities", "refused"): _LOGPROBS_ADVICE,
    ("log probabilities", "only one"): "allow more of them: vLLM with --max-logprobs 20",
    (
        "log probabilities",
        "not on letters",
    ): "use a model that follows instructions and does not reason",
    ("log probabilities", "wrong letter"): "use a larger model, or one that follows instructions",
}
"""What a user can do about a probe and its outcome."""


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """The findings about one model at one address.

    *style* is the best request style the endpoint supports. *label_bias* is the probability of
    each letter in lists without a best choice, empty if it was not measured. *usage* is what the
    server billed for the probes.
    """

    base_url: str
    model: str
    findings: tuple[Finding, ...]
    style: RequestStyle
    label_bias: Mapping[str, float]
    usage: Usage
    seconds: float

    @property
    def advice(self) -> list[tuple[str, str]]:
        """Pairs of a probe with a poor outcome and what to do about it, without repetitions."""
        pairs = ((each.name, ADVICE.get((each.name, each.outcome), "")) for each in self.findings)
        advice: dict[str, str] = {}
        for name, text in pairs:
            if text and text not in advice.values():
                advice[name] = text
        return list(advice.items())

    @property
    def asks_by_letters(self) -> bool:
        """Whether questions about branches are now answered by one letter."""
        return bool(self.style.labels)


class Doctor:
    """Probes one endpoint and estimates beforehand what the probes cost."""

    def __init__(
        self,
        endpoint: OpenAIEndpoint,
        writer: PromptWriter,
        on_progress: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._endpoint = endpoint
        self._writer = writer
        self._prober = Prober(endpoint, writer.counter, on_progress)
        self._label_probe = _label_probe(writer)

    def estimate_tokens(self) -> int:
        """Read what the server reports for free; return about how many tokens the probes need.

        Raises:
            CallError: the server cannot be reached, or rejects the key.
        """
        self._prober.read_models()
        long = self._prober.context is None
        return estimate_tokens(self._writer.counter, self._label_probe, long=long)

    def probe(self) -> DoctorReport:
        """Run all probes, after `estimate_tokens`, and store the result for later processes.

        Raises:
            CallError: the server answers no request at all.
        """
        started = time.monotonic()
        prober = self._prober
        prober.probe_limit()
        prober.probe_temperature()
        prober.probe_formats()
        prober.probe_length()
        lists = prober.probe_labels(self._label_probe)
        bias = mean_bias(lists) if lists else {}
        prober.findings.append(_bias_finding(bias))
        prompt = self._writer.prompts["label"].digest
        self._endpoint.capabilities.write(Capabilities(prober.style, bias, prompt if bias else ""))
        return DoctorReport(
            self._endpoint.base_url,
            self._endpoint.model,
            tuple(prober.findings),
            prober.style,
            bias,
            prober.client.usage,
            time.monotonic() - started,
        )


def _label_probe(writer: PromptWriter) -> LabelProbe:
    plain = plain_question()
    empty = [
        (writer.letter_request(question).messages, letters_of(question))
        for question in empty_questions()
    ]
    messages = writer.letter_request(plain).messages
    return LabelProbe(messages, letters_of(plain), _PLAIN_ANSWER, empty)


def _bias_finding(bias: Mapping[str, float]) -> Finding:
    if not bias:
        return Finding("label bias", "not measured")
    most = max(bias, key=lambda letter: bias[letter])
    least = min(bias, key=lambda letter: bias[letter])
    detail = (
        f"from {most} {bias[most]:.1%} to {least} {bias[least]:.1%} in lists without a best line; "
        f"without bias, each would have {1 / len(LETTERS):.0%}"
    )
    return Finding("label bias", "measured", detail)
