"""The judge of a command, with everything round it: notices, the usage log, an orderly end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from unillmrec.cli.answers import Answers, OpenAnswers
from unillmrec.cli.render import note
from unillmrec.endpoint import Endpoint, OpenAIEndpoint, watched
from unillmrec.judge import Judge, SimilarityJudge
from unillmrec.judge.making import known_label_bias, make_judge, make_price, make_writer
from unillmrec.judge.voting import Votes
from unillmrec.prices import Price
from unillmrec.settings import Settings
from unillmrec.store import ItemTree
from unillmrec.usage_log import LoggedEndpoint, UsageLog, log_path


@dataclass(frozen=True, slots=True)
class Asking:
    """A judge that is ready, the name of its run, and where its answers are kept.

    *by_model* is whether it asks a language model.
    """

    judge: Judge
    run: str
    answers: OpenAnswers
    by_model: bool


@contextmanager
def asking(
    tree: ItemTree,
    settings: Settings,
    command: str,
    answers: Answers | None = None,
    votes: Votes = 1,
) -> Iterator[Asking]:
    """Give the judge the settings ask for; its calls are logged, and cut off at the end."""
    with ExitStack() as stack:
        log = stack.enter_context(open_log(tree.path, settings, command))
        opened = stack.enter_context((answers or Answers()).opened(settings, log.run))

        def reached(endpoint: OpenAIEndpoint) -> Endpoint:
            if opened.recording is not None:
                # What was known of the model decides how it is asked, in a replay as well.
                bias = known_label_bias(endpoint, make_writer(settings))
                opened.recording.add_about("label_bias", bias)
            price = make_price(settings)
            return reach(stack.enter_context(endpoint), log, opened, price)

        _explain_default(settings)
        replayed = opened.replayed
        bias = replayed.about.get("label_bias") if replayed else None
        judge = make_judge(
            tree, settings, wrap=reached, endpoint=replayed, label_bias=bias, votes=votes
        )
        by_model = not isinstance(judge, SimilarityJudge)
        yield Asking(judge, opened.run, opened, by_model)


def reach(
    endpoint: OpenAIEndpoint, log: UsageLog, answers: OpenAnswers, price: Price | None = None
) -> Endpoint:
    """Put over an endpoint what every call goes through: what is paid for is watched and logged."""
    over = LoggedEndpoint(watched(announced(endpoint)), log, price)
    return answers.over(over, endpoint.identity)


def open_log(tree: Path, settings: Settings, command: str) -> UsageLog:
    """Return the log that calls about *tree* go to."""
    return UsageLog(log_path(tree, settings.usage_log), command=command, tree=tree, warn=note)


def announced(endpoint: OpenAIEndpoint) -> OpenAIEndpoint:
    """Say what a person should know before the first call."""
    if endpoint.notice:
        note(endpoint.notice)
    return endpoint


def _explain_default(settings: Settings) -> None:
    """Say in one line why no model is asked, where one might have been expected."""
    if settings.judge != "auto" or settings.has_endpoint:
        return
    why = "No language model is set (`unillmrec settings`)"
    if settings.model:
        why = "A model but no endpoint is set (OPENAI_BASE_URL)"
    elif settings.base_url or settings.api_key:
        why = "An endpoint but no model is set (UNILLMREC_MODEL)"
    note(f"{why}; the embedded judge answers.")
