"""Where answers come from beside the endpoint, and where they are kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from unillmrec.cli.shared.options import MODEL_PANEL
from unillmrec.cli.shared.output import format_count, note
from unillmrec.endpoint import Endpoint
from unillmrec.endpoint.wrappers.cache import AnswerCache, CachedEndpoint
from unillmrec.endpoint.wrappers.recording import Recording, RecordingEndpoint, ReplayedEndpoint
from unillmrec.settings import Settings
from unillmrec.usage import Usage

Record: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--record",
        help="A new file for every request and its answer, to replay later.",
        metavar="FILE",
        rich_help_panel=MODEL_PANEL,
    ),
]
Replay: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--replay",
        help="Answer from such a file alone; nothing is sent.",
        metavar="FILE",
        rich_help_panel=MODEL_PANEL,
    ),
]
Cache: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        help="A file of answers: what is in it is not asked, or paid, again.",
        metavar="FILE",
        rich_help_panel=MODEL_PANEL,
    ),
]

# What a walk depends on beside the answers; a replay takes it from the recording.
_KEPT_SETTINGS = ("model", "base_url", "concurrency")


@dataclass(frozen=True, slots=True)
class Answers:
    """What the three flags say."""

    record: Path | None = None
    replay: Path | None = None
    cache: Path | None = None

    def settle(self, settings: Settings) -> Settings:
        """Return the settings to work with: those of the recording, where one is replayed.

        Raises:
            SettingsError: there is no endpoint whose answers could be kept.
        """
        if self.replay and (self.record or self.cache):
            raise typer.TyperException(
                "--replay answers from a recording alone; leave out --record and --cache."
            )
        if self.replay:
            about = ReplayedEndpoint(self.replay).about
            kept: dict[str, Any] = {name: about.get(name) for name in _KEPT_SETTINGS}
            return replace(settings, judge="endpoint", **kept)
        if self.record or self.cache:
            settings.require_endpoint()
            return replace(settings, judge="endpoint")
        return settings

    @contextmanager
    def opened(self, settings: Settings, run: str) -> Iterator[OpenAnswers]:
        """Open the files; say in the end what the cache has saved."""
        opened = OpenAnswers(run)
        if self.replay:
            opened.replayed = ReplayedEndpoint(self.replay)
            opened.run = str(opened.replayed.about.get("run"))
        if self.cache:
            opened.cache = AnswerCache(self.cache, note)
        if self.record:
            kept = {name: getattr(settings, name) for name in _KEPT_SETTINGS}
            opened.recording = Recording(self.record, {"run": run, **kept})
        try:
            yield opened
        finally:
            opened.close()


@dataclass(slots=True)
class OpenAnswers:
    """The files while a command works. *run* is its name: of a replay, that of the recording."""

    run: str
    replayed: ReplayedEndpoint | None = None
    recording: Recording | None = None
    cache: AnswerCache | None = None
    cached: CachedEndpoint | None = None

    def over(self, endpoint: Endpoint, identity: Any) -> Endpoint:
        """Put cache and recording over an endpoint; a recording has what the run has seen."""
        if self.cache is not None:
            endpoint = self.cached = CachedEndpoint(endpoint, self.cache, identity)
        if self.recording is not None:
            endpoint = RecordingEndpoint(endpoint, self.recording)
        return endpoint

    def measurement(self, name: str, value: float) -> float:
        """Return a figure that no two runs measure alike: of a replay, the recorded one."""
        if self.replayed is not None:
            return self.replayed.measurement(name, value)
        return self.recording.measurement(name, value) if self.recording is not None else value

    def as_dict(self) -> dict[str, Any]:
        """Return what the cache was good for, as JSON output gives it; empty without one."""
        if self.cached is None:
            return {}
        told = {"hits": self.cached.hits, "asked": self.cached.misses}
        return {"cache": told | {"saved": _reported(self.cached.saved.total())}}

    def close(self) -> None:
        """Close the files."""
        if self.recording is not None:
            self.recording.close()
        if self.cache is not None:
            self.cache.close()
        if self.cached is not None and self.cached.hits:
            note(_told_saved(self.cached))


def _told_saved(cached: CachedEndpoint) -> str:
    answers = format_count(cached.hits + cached.misses, "answer")
    saved = cached.saved.total()
    if saved.prompt is None or saved.completion is None:
        cost = "what they would have cost is not known of all"
    else:
        cost = (
            f"they would have cost {saved.prompt:,} prompt and {saved.completion:,} completion"
            " tokens"
        )
    return f"{cached.hits:,} of {answers} came from the cache; {cost}."


def _reported(usage: Usage) -> dict[str, int | None]:
    told = usage.as_dict()
    return {name: count for name, count in told.items() if not name.startswith("estimated")}
