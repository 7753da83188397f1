"""What the endpoint of the settings can do, which way of asking follows, and what would help."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from unillmrec.endpoint import OpenAIEndpoint
from unillmrec.endpoint.capabilities.capability_store import Known
from unillmrec.endpoint.capabilities.prober import Finding, LabelProbe, Prober, cost_of
from unillmrec.endpoint.capabilities.request_style import RequestStyle
from unillmrec.judge.letters import LETTERS, empty_questions, letters_of, mean_bias, plain_question
from unillmrec.judge.prompt_writer import PromptWriter
from unillmrec.usage import Usage

_PLAIN = "C"
_NO_CHANCE_OF_LETTERS = (
    "vLLM, SGLang and llama-server tell log probabilities as they are; llama-cpp-python does when "
    "it is started with --logits_all true, and OpenAI for models that do not think"
)
_NO_SCHEMA = (
    "vLLM, SGLang, llama-server, Ollama and LM Studio keep an answer to a schema, and OpenAI does "
    "from gpt-4o on; behind a proxy, let it pass response_format on"
)
ADVICE: Mapping[tuple[str, str], str] = {
    ("model", "not listed"): "--model with a name that the server lists",
    ("limit", "ignored"): "a server that keeps to max_tokens; answers may be long, and cost so",
    ("thinking", "yes"): (
        "switch thinking off where it can be: in unillmrec.toml, [extra_body.chat_template_kwargs] "
        "with enable_thinking = false for Qwen3 on vLLM, SGLang or llama-server"
    ),
    ("schema", "refused"): _NO_SCHEMA,
    ("schema", "ignored"): _NO_SCHEMA,
    ("usage", "none"): "a server that reports usage; until then bills say unknown",
    (
        "usage",
        "implausible",
    ): "believe our own estimates; a proxy may be answering from a canned bill",
    ("cached tokens", "not reported"): (
        "vLLM with --enable-prompt-tokens-details, SGLang with --enable-cache-report; "
        "until then nobody sees what prefix caches save"
    ),
    ("long prompt", "cut"): (
        "a longer context: Ollama with OLLAMA_CONTEXT_LENGTH=8192 in its environment; "
        "as it is, the model does not see the beginning of what it is asked"
    ),
    ("long prompt", "too long"): (
        "a longer context: llama-server -c 8192 for each of its slots (-np), "
        "vLLM --max-model-len 8192"
    ),
    ("long prompt", "refused"): "a longer context, or a model that has one",
    ("log probabilities", "none"): _NO_CHANCE_OF_LETTERS,
    ("log probabilities", "refused"): _NO_CHANCE_OF_LETTERS,
    ("log probabilities", "one alone"): "more of them: vLLM with --max-logprobs 20",
    (
        "log probabilities",
        "off the letters",
    ): "a model that follows instructions and does not think",
    ("log probabilities", "astray"): "a larger model, or one that follows instructions",
}
"""What a person could do, by probe and outcome."""


@dataclass(frozen=True, slots=True)
class Examination:
    """All that was found out about one model at one address.

    *label_bias* is the share of each letter in lists without a best line; empty if it was not
    measured. *usage* is what the server billed for it.
    """

    base_url: str
    model: str
    findings: tuple[Finding, ...]
    way: RequestStyle
    label_bias: Mapping[str, float]
    usage: Usage
    seconds: float

    @property
    def advice(self) -> list[tuple[str, str]]:
        """The probes that could have turned out better, each with what would help."""
        found = ((each.name, ADVICE.get((each.name, each.outcome), "")) for each in self.findings)
        kept: dict[str, str] = {}
        for name, text in found:
            if text and text not in kept.values():
                kept[name] = text
        return list(kept.items())

    @property
    def asks_by_letters(self) -> bool:
        """Whether branches are asked about in one token from now on."""
        return bool(self.way.labels)


class Examiner:
    """Examines one endpoint, and can say before what that will cost."""

    def __init__(
        self,
        endpoint: OpenAIEndpoint,
        writer: PromptWriter,
        told: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._endpoint = endpoint
        self._writer = writer
        self._prober = Prober(endpoint, writer.counter, told)
        self._labels = _label_probe(writer)

    def look(self) -> int:
        """Read what the server tells for nothing; return about how many tokens the rest costs.

        Raises:
            CallError: the server cannot be reached, or does not take the key.
        """
        self._prober.look()
        long = self._prober.context is None
        return cost_of(self._writer.counter, self._labels, long=long)

    def examine(self) -> Examination:
        """Probe, after `look`, and write down for later processes what was found.

        Raises:
            CallError: the server answers nothing at all.
        """
        started = time.monotonic()
        prober = self._prober
        prober.probe_limit()
        prober.probe_temperature()
        prober.probe_formats()
        prober.probe_length()
        lists = prober.probe_labels(self._labels)
        bias = mean_bias(lists) if lists else {}
        prober.findings.append(_told_bias(bias))
        prompt = self._writer.prompts["label"].digest
        self._endpoint.notebook.write(Known(prober.way, bias, prompt if bias else ""))
        return Examination(
            self._endpoint.base_url,
            self._endpoint.model,
            tuple(prober.findings),
            prober.way,
            bias,
            prober.listener.usage,
            time.monotonic() - started,
        )


def _label_probe(writer: PromptWriter) -> LabelProbe:
    plain = plain_question()
    empty = [
        (writer.ask_letter(question).messages, letters_of(question))
        for question in empty_questions()
    ]
    return LabelProbe(writer.ask_letter(plain).messages, letters_of(plain), _PLAIN, empty)


def _told_bias(bias: Mapping[str, float]) -> Finding:
    if not bias:
        return Finding("label bias", "not measured")
    most = max(bias, key=lambda letter: bias[letter])
    least = min(bias, key=lambda letter: bias[letter])
    detail = (
        f"{most} {bias[most]:.1%} to {least} {bias[least]:.1%} in lists without a best line; "
        f"even would be {1 / len(LETTERS):.0%}"
    )
    return Finding("label bias", "measured", detail)
