"""The judge of a command, with everything round it: notices, the usage log, an orderly end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from unillmrec.cli.render import note
from unillmrec.endpoint import OpenAIEndpoint
from unillmrec.judge import Judge
from unillmrec.judge.making import make_judge, make_price
from unillmrec.settings import Settings
from unillmrec.store import ItemTree
from unillmrec.usage_log import LoggedEndpoint, UsageLog, log_path


@dataclass(frozen=True, slots=True)
class Asking:
    """A judge that is ready, and the name its run has in the usage log."""

    judge: Judge
    run: str


@contextmanager
def asking(tree: ItemTree, settings: Settings, command: str) -> Iterator[Asking]:
    """Give the judge the settings ask for; its calls are logged, and cut off at the end."""
    with ExitStack() as stack:
        log = stack.enter_context(open_log(tree.path, settings, command))

        def logged(endpoint: OpenAIEndpoint) -> LoggedEndpoint:
            price = make_price(settings)
            return LoggedEndpoint(announced(stack.enter_context(endpoint)), log, price)

        _explain_default(settings)
        yield Asking(make_judge(tree, settings, wrap=logged), log.run)


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
