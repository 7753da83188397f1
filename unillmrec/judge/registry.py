"""From settings to a judge, and to what it needs on the way."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from unillmrec.endpoint import Endpoint, OpenAIEndpoint, RetryPolicy
from unillmrec.endpoint.access import KEY_VARIABLE, OPENAI_URL
from unillmrec.endpoint.capabilities.capability_store import CapabilityStore, default_path
from unillmrec.judge.language_model import EstimatingJudge, LanguageModelJudge, WidthLimitedJudge
from unillmrec.judge.letters import Bias
from unillmrec.judge.prompt_writer import CONTRACTS, Layout, PromptWriter
from unillmrec.judge.questions import Judge
from unillmrec.judge.similarity import SimilarityJudge
from unillmrec.judge.voting import Votes, VotingJudge
from unillmrec.prices import Price, price_of
from unillmrec.prompts import PromptSet
from unillmrec.settings import JudgeChoice, Settings
from unillmrec.store import ItemTree
from unillmrec.tokens import TokenCounter

# How many branches of one walk a language model is asked about at the same time. It decides how
# far a walk goes, so an estimate has to walk in steps of the same size.
AT_ONCE = 4

Wrap = Callable[[OpenAIEndpoint], Endpoint]

# What a way of asking that the user has chosen settles with the endpoint. Where branches are
# asked about by letters, everything else still has a form, which is negotiated.
_SETTLED: Mapping[str, Mapping[str, Any]] = {
    "auto": {},
    "labels": {"labels": True},
    "schema": {"response_format": "json_schema", "labels": False},
    "object": {"response_format": "json_object", "labels": False},
    "text": {"response_format": "text", "labels": False},
}


def make_judge(
    tree: ItemTree,
    settings: Settings,
    *,
    choice: JudgeChoice | None = None,
    wrap: Wrap | None = None,
    endpoint: Endpoint | None = None,
    label_bias: Bias | None = None,
    layout: Layout = "person-first",
    votes: Votes = 1,
) -> Judge:
    """Return the judge for *tree*; with "auto" the language model where one can be asked.

    *choice* stands in for `settings.judge`. *wrap* gets the endpoint and returns what is asked
    in its place; an *endpoint* that is given is asked as it is, such as a recording, by letters
    if there is a *label_bias*. *layout* says what many prompts will share. *votes* is how often
    a language model is asked about branches, each time in another order.

    Raises:
        SettingsError: a language model is demanded, and something to reach it is not set.
        PromptError: a prompt file cannot be used.
    """
    choice = choice or settings.judge
    if choice == "embedded" or (choice == "auto" and not settings.has_endpoint):
        return SimilarityJudge(tree)
    writer = make_writer(settings, layout)
    if endpoint is None:
        settings.require_endpoint()
        made = make_endpoint(settings, settings.model or "")
        label_bias = known_label_bias(made, writer)
        endpoint = wrap(made) if wrap else made
    judge = LanguageModelJudge(
        endpoint,
        writer,
        SimilarityJudge(tree),
        at_once=min(AT_ONCE, settings.concurrency),
        label_bias=label_bias,
    )
    return judge if votes == 1 else VotingJudge(judge, votes)


def make_estimating_judge(
    tree: ItemTree,
    settings: Settings,
    spoken: float | None = None,
    *,
    layout: Layout = "person-first",
    votes: Votes = 1,
) -> Judge:
    """Return a judge that sends nothing and bills what asking the model would cost.

    *spoken* is how many tokens its profiles have been, if it has made any.
    """
    writer = make_writer(settings, layout)
    by_letters = asks_by_letters(settings)
    judge = EstimatingJudge(SimilarityJudge(tree), writer, spoken, by_letters=by_letters)
    judge.at_once = min(AT_ONCE, settings.concurrency)
    return judge if votes == 1 else VotingJudge(judge, votes)


def make_paced_judge(tree: ItemTree, settings: Settings) -> Judge:
    """Return a judge whose walks are those of the estimating one, and that counts nothing."""
    by_letters = asks_by_letters(settings)
    judge = WidthLimitedJudge(SimilarityJudge(tree), make_writer(settings), by_letters=by_letters)
    judge.at_once = min(AT_ONCE, settings.concurrency)
    return judge


def make_writer(settings: Settings, layout: Layout = "person-first") -> PromptWriter:
    """Return what writes the prompts, the user's own on top, and counts for the model."""
    prompts = PromptSet.load(CONTRACTS, settings.prompts)
    return PromptWriter(prompts, TokenCounter.for_model(settings.model), layout=layout)


def make_price(settings: Settings, model: str | None = None) -> Price | None:
    """Return what tokens of *model*, or of the model of the settings, cost; None if unknown."""
    model = model or settings.model
    base_url = settings.base_url or OPENAI_URL
    return price_of(model, base_url, place_of(settings), settings.prices) if model else None


def place_of(settings: Settings) -> str:
    """Return where the model is: the host, as the name of the endpoint has it."""
    return urlsplit(settings.base_url or OPENAI_URL).netloc


def asks_by_letters(settings: Settings) -> bool:
    """Return whether branches would be asked about by letters."""
    if settings.ask != "auto" or not settings.has_endpoint:
        return settings.ask == "labels"
    url = (settings.base_url or OPENAI_URL).strip().rstrip("/")
    known = CapabilityStore(_notebook_path(settings), url, settings.model or "").read()
    return known is not None and bool(known.way.labels)


def known_label_bias(endpoint: OpenAIEndpoint, writer: PromptWriter) -> Bias | None:
    """Return what is known of the model's taste for letters; None if it is not asked for any."""
    if not endpoint.way_of_asking.labels:
        return None
    known = endpoint.notebook.read()
    # Another prompt has another bias, and half a correction is none.
    fits = known is not None and known.label_prompt == writer.prompts["label"].digest
    return known.label_bias if known is not None and fits else {}


def make_endpoint(
    settings: Settings, model: str, patience: RetryPolicy | None = None
) -> OpenAIEndpoint:
    """Return the endpoint for *model*; nothing is sent yet.

    Raises:
        SettingsError: there is no key where one is needed, or the address is unusable.
        EndpointError: the key would travel unencrypted.
    """
    return OpenAIEndpoint(
        model,
        base_url=settings.base_url,
        timeout_seconds=settings.timeout_seconds,
        concurrency=settings.concurrency,
        extra_body=settings.extra_body,
        notebook=_notebook_path(settings),
        patience=patience,
        **_SETTLED[settings.ask],
        # Under its own name, so that errors can say where the key came from.
        environ={KEY_VARIABLE: settings.api_key or ""},
    )


def _notebook_path(settings: Settings) -> Path | None:
    if settings.endpoint_memory == "off":
        return None
    return settings.endpoint_memory or default_path(os.environ)
