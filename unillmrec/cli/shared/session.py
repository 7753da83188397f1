"""Open a session as the flags of a command ask for it; its notices go to standard error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from unillmrec.cli.flags.settings import settings_of
from unillmrec.cli.flags.values import reply_files_of
from unillmrec.cli.shared.output import note
from unillmrec.cli.shared.progress import status_line
from unillmrec.local.engine import describe_file, start_engine
from unillmrec.session import Session
from unillmrec.session.session import open_usage_log

if TYPE_CHECKING:
    from unillmrec.cli.flags.groups import ReplyFlags
    from unillmrec.endpoint import OpenAIEndpoint
    from unillmrec.judge.voting import Votes
    from unillmrec.settings import Settings
    from unillmrec.store import ItemTree
    from unillmrec.usage_log import UsageLog


def open_session(
    tree: ItemTree | Path, request: ReplyFlags, command: str, votes: Votes = 1
) -> Session:
    """Return a session with the settings and the reply files that the flags name."""
    files = reply_files_of(request)
    settings = files.adjust(settings_of(request))
    load_model_file(settings)
    return Session(
        tree,
        settings,
        record=files.record,
        replay=files.replay,
        cache=files.cache,
        votes=votes,
        command=command,
        notify=note,
    )


def plan_settings(request: ReplyFlags) -> Settings:
    """Return the settings of a session that is only planned: its reply files stay untouched."""
    return reply_files_of(request).adjust(settings_of(request))


def load_model_file(settings: Settings) -> None:
    """Start the model file of the settings, if there is one, and show that it takes a while."""
    if settings.model_file and settings.judge != "embedded":
        with status_line(f"loading {describe_file(settings.model_file)}"):
            start_engine(settings.model_file)


def announce(endpoint: OpenAIEndpoint) -> OpenAIEndpoint:
    """Print what the user should know before the first call, such as which host gets the key."""
    if endpoint.notice:
        note(endpoint.notice)
    return endpoint


def open_log(tree: Path, settings: Settings, command: str) -> UsageLog:
    """Return the usage log for calls about *tree*."""
    return open_usage_log(tree, settings, command, note)
