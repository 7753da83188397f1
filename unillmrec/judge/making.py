"""From settings to a judge, and to what it needs on the way."""

from __future__ import annotations

from collections.abc import Callable

from unillmrec.endpoint import Endpoint, OpenAIEndpoint
from unillmrec.endpoint.access import KEY_VARIABLE
from unillmrec.judge.language_model import EstimatingJudge, LanguageModelJudge
from unillmrec.judge.questions import Judge
from unillmrec.judge.similarity import SimilarityJudge
from unillmrec.judge.writing import CONTRACTS, PromptWriter
from unillmrec.prompts import PromptSet
from unillmrec.settings import JudgeChoice, Settings
from unillmrec.store import ItemTree
from unillmrec.tokens import TokenCounter

# How many branches of one walk a language model is asked about at the same time. It decides how
# far a walk goes, so an estimate has to walk in steps of the same size.
AT_ONCE = 4

Wrap = Callable[[OpenAIEndpoint], Endpoint]


def make_judge(
    tree: ItemTree,
    settings: Settings,
    *,
    choice: JudgeChoice | None = None,
    wrap: Wrap | None = None,
) -> Judge:
    """Return the judge for *tree*; with "auto" the language model where one can be asked.

    *choice* stands in for `settings.judge`. *wrap* gets the endpoint and returns what is asked
    in its place.

    Raises:
        SettingsError: a language model is demanded, and something to reach it is not set.
        PromptError: a prompt file cannot be used.
    """
    choice = choice or settings.judge
    if choice == "embedded" or (choice == "auto" and not settings.has_endpoint):
        return SimilarityJudge(tree)
    settings.require_endpoint()
    writer = make_writer(settings)
    endpoint = make_endpoint(settings, settings.model or "")
    return LanguageModelJudge(
        wrap(endpoint) if wrap else endpoint,
        writer,
        SimilarityJudge(tree),
        at_once=min(AT_ONCE, settings.concurrency),
    )


def make_estimating_judge(tree: ItemTree, settings: Settings) -> EstimatingJudge:
    """Return a judge that sends nothing and bills what asking the model would cost."""
    judge = EstimatingJudge(SimilarityJudge(tree), make_writer(settings))
    judge.at_once = min(AT_ONCE, settings.concurrency)
    return judge


def make_writer(settings: Settings) -> PromptWriter:
    """Return what writes the prompts, the user's own on top, and counts for the model."""
    prompts = PromptSet.load(CONTRACTS, settings.prompts)
    return PromptWriter(prompts, TokenCounter.for_model(settings.model))


def make_endpoint(settings: Settings, model: str) -> OpenAIEndpoint:
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
        # Under its own name, so that errors can say where the key came from.
        environ={KEY_VARIABLE: settings.api_key or ""},
    )
