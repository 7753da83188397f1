"""The judge of a command, with everything round it: notices, the usage log, an orderly end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from unillmrec.cli.shared.answer_sources import Answers, OpenAnswers
from unillmrec.cli.shared.output import note
from unillmrec.endpoint import Endpoint, OpenAIEndpoint, instrument
from unillmrec.judge import Judge, SimilarityJudge
from unillmrec.judge.from_settings import build_writer, find_price, load_label_bias
from unillmrec.judge.registry import build_judge
from unillmrec.judge.voting import Votes
from unillmrec.prices import Price
from unillmrec.settings import Settings
from unillmrec.store import ItemTree
from unillmrec.usage_log import LoggedEndpoint, UsageLog, log_path

Over: TypeAlias = Callable[[Endpoint], Endpoint]


@dataclass(frozen=True, slots=True)
class Asking:
    """A judge that is ready, the name of its run, and where its answers are kept.

    *by_model* is whether it asks a language model.
    """

    judge: Judge
    run: str
    answers: OpenAnswers
    by_model: bool


@dataclass(frozen=True, slots=True)
class AskingOver:
    """What makes a judge whose endpoint is put through something; the rest is as in `Asking`."""

    judge_over: Callable[[Over], Judge]
    run: str
    answers: OpenAnswers


@contextmanager
def asking(
    tree: ItemTree,
    settings: Settings,
    command: str,
    answers: Answers | None = None,
    votes: Votes = 1,
) -> Iterator[Asking]:
    """Give the judge the settings ask for; its calls are logged, and cut off at the end."""
    with asking_over(tree, settings, command, answers, votes) as asked:
        judge = asked.judge_over(lambda endpoint: endpoint)
        by_model = not isinstance(judge, SimilarityJudge)
        yield Asking(judge, asked.run, asked.answers, by_model)


@contextmanager
def asking_over(
    tree: ItemTree,
    settings: Settings,
    command: str,
    answers: Answers | None = None,
    votes: Votes = 1,
) -> Iterator[AskingOver]:
    """Give what makes the judge the settings ask for, over an endpoint put through something."""
    with ExitStack() as stack:
        log = stack.enter_context(open_log(tree.path, settings, command))
        opened = stack.enter_context((answers or Answers()).opened(settings, log.run))

        def judge_over(over: Over) -> Judge:
            def reached(endpoint: OpenAIEndpoint) -> Endpoint:
                if opened.recording is not None:
                    # What was known of the model decides how it is asked, in a replay as well.
                    bias = load_label_bias(endpoint, build_writer(settings))
                    opened.recording.add_about("label_bias", bias)
                price = find_price(settings)
                return over(reach(stack.enter_context(endpoint), log, opened, price))

            replayed = opened.replayed
            bias = replayed.about.get("label_bias") if replayed else None
            given = over(replayed) if replayed else None
            return build_judge(
                tree, settings, wrap=reached, endpoint=given, label_bias=bias, votes=votes
            )

        _explain_default(settings)
        yield AskingOver(judge_over, opened.run, opened)


def reach(
    endpoint: OpenAIEndpoint, log: UsageLog, answers: OpenAnswers, price: Price | None = None
) -> Endpoint:
    """Put over an endpoint what every call goes through: what is paid for is watched and logged."""
    over = LoggedEndpoint(instrument(announced(endpoint)), log, price)
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
