"""Open a session as the flags of a command ask for it; its notices go to standard error."""

from __future__ import annotations

from pathlib import Path

from unillmrec.cli.flags.groups import ReplyFlags
from unillmrec.cli.flags.settings import settings_of
from unillmrec.cli.flags.values import reply_files_of
from unillmrec.cli.shared.output import note
from unillmrec.endpoint import OpenAIEndpoint
from unillmrec.judge.voting import Votes
from unillmrec.session import Session
from unillmrec.session.session import open_usage_log
from unillmrec.settings import Settings
from unillmrec.store import ItemTree
from unillmrec.usage_log import UsageLog


def open_session(
    tree: ItemTree | Path, request: ReplyFlags, command: str, votes: Votes = 1
) -> Session:
    """Return a session with the settings and the reply files that the flags name."""
    files = reply_files_of(request)
    return Session(
        tree,
        settings_of(request),
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


def announce(endpoint: OpenAIEndpoint) -> OpenAIEndpoint:
    """Print what the user should know before the first call, such as which host gets the key."""
    if endpoint.notice:
        note(endpoint.notice)
    return endpoint


def open_log(tree: Path, settings: Settings, command: str) -> UsageLog:
    """Return the usage log for calls about *tree*."""
    return open_usage_log(tree, settings, command, note)
