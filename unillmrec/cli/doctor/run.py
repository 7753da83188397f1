"""Looking at the endpoint of the settings, or forgetting it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from unillmrec.cli.shared.output import note
from unillmrec.cli.shared.session import announced
from unillmrec.endpoint import RetryPolicy
from unillmrec.endpoint.capabilities.prober import LONG_PROMPT
from unillmrec.judge.doctor import Examination, Examiner
from unillmrec.judge.registry import make_endpoint, make_writer
from unillmrec.settings import Settings

# One repetition tells an accident from a refusal.
_PATIENCE = RetryPolicy(attempts=2)


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found, and the file that keeps it, if one does."""

    examination: Examination
    memory: Path | None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The endpoint, and whether anything was known of it."""

    base_url: str
    model: str
    forgotten: bool
    memory: Path | None


def examine(flags: Mapping[str, object]) -> Examined:
    """Look at the endpoint, after saying what that costs.

    Raises:
        SettingsError: no endpoint or no model is set.
        CallError: it cannot be reached, or answers nothing at all.
    """
    settings = _settings(flags)
    with (
        make_endpoint(settings, settings.model or "", _PATIENCE) as endpoint,
        _progress(endpoint.name) as told,
    ):
        examiner = Examiner(announced(endpoint), make_writer(settings), told)
        cost = examiner.look()
        long = f", {LONG_PROMPT:,} of them to see whether a long prompt is cut"
        in_all = f"about {cost:,} tokens in all{long if cost > LONG_PROMPT else ''}."
        note(f"Asking {endpoint.model} at {endpoint.name}: {in_all}")
        return Examined(examiner.examine(), endpoint.notebook.path)


def forget_endpoint(flags: Mapping[str, object]) -> Forgotten:
    """Forget what is known of the endpoint of the settings."""
    settings = _settings(flags)
    with make_endpoint(settings, settings.model or "") as endpoint:
        known = endpoint.notebook.forget()
        return Forgotten(endpoint.base_url, endpoint.model, known, endpoint.notebook.path)


def _settings(flags: Mapping[str, object]) -> Settings:
    settings = Settings.resolve(flags)
    settings.require_endpoint()
    return settings


@contextmanager
def _progress(name: str) -> Iterator[Callable[[str], None]]:
    """Give what shows which probe is under way, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda probe: None
        return
    with Console(stderr=True).status(f"looking at {name}") as status:
        yield lambda probe: status.update(f"looking at {name}: {probe}")
