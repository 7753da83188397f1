"""Store the replies of a run in a cache or a recording, or take them from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unillmrec.errors import SettingsError

if TYPE_CHECKING:
    from unillmrec.endpoint import Endpoint
    from unillmrec.endpoint.wrappers.cache import AnswerCache, CachedEndpoint
    from unillmrec.endpoint.wrappers.recording import Recording, ReplayedEndpoint
    from unillmrec.settings import Settings
    from unillmrec.usage import Usage

# The settings that a walk depends on; a replay takes them from the recording.
_RECORDED_SETTINGS = ("model", "base_url", "concurrency")


@dataclass(frozen=True, slots=True)
class ReplyFiles:
    """The files of a run: a new recording, or an old one to replay, and a cache.

    *record* must not exist yet. *replay* answers every request, and nothing is sent; it cannot
    be combined with the others.
    """

    record: Path | None = None
    replay: Path | None = None
    cache: Path | None = None

    def __post_init__(self) -> None:
        if self.replay and (self.record or self.cache):
            raise SettingsError(
                "a replay answers from its recording only.",
                remedy="leave out the new recording and the cache.",
            )

    def adjust(self, settings: Settings) -> Settings:
        """Return the settings that a run with these files needs.

        A replay uses the model, address and concurrency of its recording.

        Raises:
            SettingsError: there is no endpoint whose replies could be stored, or the recording
                cannot be read.
        """
        if self.replay:
            from unillmrec.endpoint.wrappers.recording import ReplayedEndpoint

            about = ReplayedEndpoint(self.replay).about
            recorded: dict[str, Any] = {name: about.get(name) for name in _RECORDED_SETTINGS}
            return replace(settings, judge="endpoint", model_file=None, **recorded)
        if self.record or self.cache:
            settings.require_endpoint()
            return replace(settings, judge="endpoint")
        return settings


class ReplyStorage:
    """The open files of a run.

    *run* is the name of the run; of a replay, that of the recorded run. *notify* is called if the
    cache fails, and at the end with what it saved.

    Raises:
        SettingsError: a file cannot be used.
    """

    def __init__(
        self, files: ReplyFiles, settings: Settings, run: str, notify: Callable[[str], None]
    ) -> None:
        self.replayed = _open_replay(files.replay)
        self.run = str(self.replayed.about.get("run")) if self.replayed else run
        self._notify = notify
        self._cache = _open_cache(files.cache, notify)
        self._cached: CachedEndpoint | None = None
        recorded = {name: getattr(settings, name) for name in _RECORDED_SETTINGS}
        try:
            self.recording = _open_recording(files.record, {"run": run, **recorded})
        except BaseException:
            self._close_cache()
            raise

    def wrap(self, endpoint: Endpoint, identity: Mapping[str, object]) -> Endpoint:
        """Put the cache and the recording around *endpoint*; hits are recorded as well."""
        from unillmrec.endpoint.wrappers.cache import CachedEndpoint
        from unillmrec.endpoint.wrappers.recording import RecordingEndpoint

        if self._cache is not None:
            endpoint = self._cached = CachedEndpoint(endpoint, self._cache, identity)
        if self.recording is not None:
            endpoint = RecordingEndpoint(endpoint, self.recording)
        return endpoint

    def measurement(self, name: str, value: float) -> float:
        """Return *value*, which every run measures differently; a replay returns the recorded."""
        source = self.replayed or self.recording
        return source.measurement(name, value) if source else value

    def cache_report(self) -> dict[str, Any]:
        """Return how many replies the cache had, how many it lacked, and the usage it saved.

        Empty without a cache.
        """
        if self._cached is None:
            return {}
        saved = _without_estimates(self._cached.saved.total())
        return {"hits": self._cached.hits, "asked": self._cached.misses, "saved": saved}

    def close(self) -> None:
        """Close the files, and report what the cache saved."""
        if self.recording is not None:
            self.recording.close()
        self._close_cache()
        if self._cached is not None and self._cached.hits:
            self._notify(_format_saved(self._cached))

    def _close_cache(self) -> None:
        if self._cache is not None:
            self._cache.close()


def _open_replay(path: Path | None) -> ReplayedEndpoint | None:
    if path is None:
        return None
    from unillmrec.endpoint.wrappers.recording import ReplayedEndpoint

    return ReplayedEndpoint(path)


def _open_cache(path: Path | None, notify: Callable[[str], None]) -> AnswerCache | None:
    if path is None:
        return None
    from unillmrec.endpoint.wrappers.cache import AnswerCache

    return AnswerCache(path, notify)


def _open_recording(path: Path | None, about: Mapping[str, object]) -> Recording | None:
    if path is None:
        return None
    from unillmrec.endpoint.wrappers.recording import Recording

    return Recording(path, about)


def _format_saved(cached: CachedEndpoint) -> str:
    saved = cached.saved.total()
    if saved.prompt is None or saved.completion is None:
        cost = "what all of them would have cost is not known"
    else:
        tokens = f"{saved.prompt:,} prompt and {saved.completion:,} completion tokens"
        cost = f"they would have cost {tokens}"
    number = cached.hits + cached.misses
    replies = f"{number:,} {'reply' if number == 1 else 'replies'}"
    return f"{cached.hits:,} of {replies} came from the cache; {cost}."


def _without_estimates(usage: Usage) -> dict[str, int | None]:
    counts = usage.as_dict()
    return {name: count for name, count in counts.items() if not name.startswith("estimated")}
