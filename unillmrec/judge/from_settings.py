"""Build what a language model judge needs from the settings: endpoint, prompts and price."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from unillmrec.endpoint import OpenAIEndpoint, RetryPolicy
from unillmrec.endpoint.access import KEY_VARIABLE, OPENAI_URL
from unillmrec.endpoint.capabilities.capability_store import CapabilityStore, default_path
from unillmrec.judge.prompting.prompt_writer import CONTRACTS, Layout, PromptWriter
from unillmrec.local.engine import HOST, start_engine
from unillmrec.prices import Price, price_of
from unillmrec.prompts import PromptSet
from unillmrec.tokens import TokenCounter

if TYPE_CHECKING:
    from unillmrec.judge.prompting.letters import Bias
    from unillmrec.settings import Settings

# What `--ask` fixes about the requests. Only "auto" leaves everything to be negotiated. With
# "labels", questions that letters cannot answer still need a reply format, which is negotiated.
_FIXED_BY_ASK: Mapping[str, Mapping[str, Any]] = {
    "auto": {},
    "labels": {"labels": True},
    "schema": {"response_format": "json_schema", "labels": False},
    "object": {"response_format": "json_object", "labels": False},
    "text": {"response_format": "text", "labels": False},
}


def build_endpoint(
    settings: Settings, model: str, retry_policy: RetryPolicy | None = None
) -> OpenAIEndpoint:
    """Return the endpoint that serves *model*. Nothing is sent yet.

    Raises:
        SettingsError: there is no key where one is needed, or the address is unusable.
        EndpointError: the key would travel unencrypted.
    """
    if settings.runs_file(model):
        return _serve_file(settings, model, retry_policy)
    return OpenAIEndpoint(
        model,
        base_url=settings.base_url,
        timeout_seconds=settings.timeout_seconds,
        concurrency=settings.concurrency,
        extra_body=settings.extra_body,
        capabilities_file=_capabilities_path(settings),
        retry_policy=retry_policy,
        **_FIXED_BY_ASK[settings.ask],
        # Under its own name, so that errors can say where the key came from.
        environ={KEY_VARIABLE: settings.api_key or ""},
    )


def _serve_file(settings: Settings, model: str, retry_policy: RetryPolicy | None) -> OpenAIEndpoint:
    """Return the endpoint of the model file, which is loaded first unless it runs already."""
    assert settings.model_file is not None
    engine = start_engine(settings.model_file)
    return OpenAIEndpoint(
        model,
        base_url=engine.known_as,
        connect_to=engine.address,
        api_key=engine.key,
        timeout_seconds=settings.timeout_seconds,
        concurrency=settings.concurrency,
        extra_body=settings.extra_body,
        capabilities_file=_capabilities_path(settings),
        retry_policy=retry_policy,
        # The engine reports the probabilities of tokens; nobody has to find that out.
        **{"labels": True, **_FIXED_BY_ASK[settings.ask]},
    )


def build_writer(settings: Settings, layout: Layout = "person-first") -> PromptWriter:
    """Return a prompt writer with the user's own prompts and the token counter of the model.

    Raises:
        PromptError: a prompt file cannot be used.
    """
    prompts = PromptSet.load(CONTRACTS, settings.prompts)
    return PromptWriter(prompts, TokenCounter.for_model(settings.model), layout=layout)


def find_price(settings: Settings, model: str | None = None) -> Price | None:
    """Return the token prices of *model* (default: the model of the settings), None if unknown."""
    model = model or settings.model
    if not model:
        return None
    if settings.runs_file(model):
        return price_of(model, f"http://{HOST}", HOST, settings.prices)
    base_url = settings.base_url or OPENAI_URL
    return price_of(model, base_url, endpoint_host(settings), settings.prices)


def endpoint_host(settings: Settings) -> str:
    """Return the host of the endpoint, which is also the endpoint's name in the usage log."""
    if settings.model_file:
        return HOST
    return urlsplit(settings.base_url or OPENAI_URL).netloc


def uses_letters(settings: Settings) -> bool:
    """Return whether questions about branches would be answered with letters."""
    if settings.ask != "auto" or not settings.has_endpoint:
        return settings.ask == "labels"
    if settings.model_file:
        return True
    url = (settings.base_url or OPENAI_URL).strip().rstrip("/")
    known = CapabilityStore(_capabilities_path(settings), url, settings.model or "").read()
    return known is not None and bool(known.style.labels)


def load_label_bias(endpoint: OpenAIEndpoint, writer: PromptWriter) -> Bias | None:
    """Return the measured letter bias of the model; empty if unmeasured, None without letters."""
    if not endpoint.request_style.labels:
        return None
    known = endpoint.capabilities.read()
    # The bias depends on the prompt: one that was measured with another prompt is useless.
    fits = known is not None and known.label_prompt == writer.prompts["label"].digest
    return known.label_bias if known is not None and fits else {}


def _capabilities_path(settings: Settings) -> Path | None:
    if settings.endpoint_memory == "off":
        return None
    return settings.endpoint_memory or default_path()
