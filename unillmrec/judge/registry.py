"""Every judge by name, built from the settings. A new judge is added to `JUDGES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from unillmrec.judge.similarity import SimilarityJudge

if TYPE_CHECKING:
    from unillmrec.endpoint import Endpoint, OpenAIEndpoint
    from unillmrec.judge.estimating import WidthLimitedJudge
    from unillmrec.judge.prompting.letters import Bias
    from unillmrec.judge.prompting.prompt_writer import Layout
    from unillmrec.judge.questions import Judge
    from unillmrec.judge.voting import Votes
    from unillmrec.settings import JudgeChoice, Settings
    from unillmrec.store import ItemTree

# How many branches of one walk a language model is asked about at the same time. The number
# decides which branches a walk opens, so an estimate has to walk with the same one.
AT_ONCE = 4

Wrap: TypeAlias = "Callable[[OpenAIEndpoint], Endpoint]"


@dataclass(frozen=True, slots=True)
class JudgeSpec:
    """What a judge is built from; each judge takes what it needs.

    *wrap* replaces the endpoint of the settings, for example by a logged or cached one. An
    *endpoint* given here, such as a recording, is used as it is, with letters if there is a
    *label_bias*. *layout* says which part many prompts share. *votes* is how often each question
    about branches is asked, every time in another order. *profile_tokens* is the mean length of
    the profiles the model has written so far, if it has written any.
    """

    tree: ItemTree
    settings: Settings
    wrap: Wrap | None = None
    endpoint: Endpoint | None = None
    label_bias: Bias | None = None
    layout: Layout = "person-first"
    votes: Votes = 1
    profile_tokens: float | None = None

    @property
    def at_once(self) -> int:
        """How many questions of one walk are asked at the same time."""
        return min(AT_ONCE, self.settings.concurrency)


def _language_model(spec: JudgeSpec) -> Judge:
    from unillmrec.judge.from_settings import build_endpoint, build_writer, load_label_bias
    from unillmrec.judge.language_model import LanguageModelJudge

    settings, endpoint, bias = spec.settings, spec.endpoint, spec.label_bias
    writer = build_writer(settings, spec.layout)
    if endpoint is None:
        settings.require_endpoint()
        connected = build_endpoint(settings, settings.model or "")
        bias = load_label_bias(connected, writer)
        endpoint = spec.wrap(connected) if spec.wrap else connected
    fallback = SimilarityJudge(spec.tree)
    return _voting(
        LanguageModelJudge(endpoint, writer, fallback, at_once=spec.at_once, label_bias=bias),
        spec.votes,
    )


def _estimating(spec: JudgeSpec) -> Judge:
    from unillmrec.judge.estimating import EstimatingJudge

    return _voting(_like_a_model(EstimatingJudge, spec), spec.votes)


def _width_limited(spec: JudgeSpec) -> Judge:
    from unillmrec.judge.estimating import WidthLimitedJudge

    return _like_a_model(WidthLimitedJudge, spec)


def _like_a_model(kind: type[WidthLimitedJudge], spec: JudgeSpec) -> WidthLimitedJudge:
    from unillmrec.judge.from_settings import build_writer, uses_letters

    return kind(
        SimilarityJudge(spec.tree),
        build_writer(spec.settings, spec.layout),
        spec.profile_tokens,
        by_letters=uses_letters(spec.settings),
        at_once=spec.at_once,
    )


def _voting(judge: Judge, votes: Votes) -> Judge:
    if votes == 1:
        return judge
    from unillmrec.judge.voting import VotingJudge

    return VotingJudge(judge, votes)


def _description(spec: JudgeSpec) -> Judge:
    from unillmrec.judge.description_judge import DescriptionJudge

    return DescriptionJudge(spec.tree)


JUDGES: Mapping[str, Callable[[JudgeSpec], Judge]] = {
    "embedded": lambda spec: SimilarityJudge(spec.tree),
    "endpoint": _language_model,
    "estimating": _estimating,
    "width-limited": _width_limited,
    "description": _description,
}
"""Builds each judge; "embedded" and "endpoint" are the ones that `--judge` offers."""


def build_judge(
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
    """Return the judge for *tree*; "auto" means the language model if one is configured.

    *choice* overrides `settings.judge`. The other arguments are explained in `JudgeSpec`.

    Raises:
        SettingsError: a language model is required, and a setting to reach it is missing.
        PromptError: a prompt file cannot be used.
    """
    name = choice or settings.judge
    if name == "auto":
        name = "endpoint" if settings.has_endpoint else "embedded"
    spec = JudgeSpec(tree, settings, wrap, endpoint, label_bias, layout, votes)
    return JUDGES[name](spec)


def build_estimating_judge(
    tree: ItemTree,
    settings: Settings,
    profile_tokens: float | None = None,
    *,
    layout: Layout = "person-first",
    votes: Votes = 1,
) -> Judge:
    """Return a judge that sends nothing and reports what asking the model would cost."""
    spec = JudgeSpec(tree, settings, layout=layout, votes=votes, profile_tokens=profile_tokens)
    return JUDGES["estimating"](spec)


def build_width_limited_judge(tree: ItemTree, settings: Settings) -> Judge:
    """Return a judge that walks as far as the estimating judge does, and counts no prompts."""
    return JUDGES["width-limited"](JudgeSpec(tree, settings))
