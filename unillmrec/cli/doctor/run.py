"""Probe the endpoint of the settings, or delete what is stored about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unillmrec.cli.doctor.request import DoctorRequest
from unillmrec.cli.flags.settings import settings_of
from unillmrec.cli.shared.output import note
from unillmrec.cli.shared.progress import status_line
from unillmrec.cli.shared.session import announce, load_model_file
from unillmrec.endpoint import RetryPolicy
from unillmrec.endpoint.capabilities.prober import LONG_PROMPT
from unillmrec.judge.doctor import Doctor, DoctorReport
from unillmrec.judge.from_settings import build_endpoint, build_writer
from unillmrec.settings import Settings

# A second attempt tells an accident from a refusal.
_TWO_ATTEMPTS = RetryPolicy(attempts=2)


@dataclass(frozen=True, slots=True)
class StoredReport:
    """What probing found, and the file that stores it, if there is one."""

    results: DoctorReport
    memory: Path | None


@dataclass(frozen=True, slots=True)
class ForgottenEndpoint:
    """An endpoint, and whether anything was stored about it."""

    base_url: str
    model: str
    forgotten: bool
    memory: Path | None


def probe_endpoint(request: DoctorRequest) -> StoredReport:
    """Probe the endpoint, after printing what that costs.

    Raises:
        SettingsError: no endpoint or no model is set.
        CallError: it cannot be reached, or answers nothing at all.
    """
    settings = _endpoint_settings(request)
    load_model_file(settings)
    with (
        build_endpoint(settings, settings.model or "", _TWO_ATTEMPTS) as endpoint,
        status_line(f"probing {endpoint.name}") as show,
    ):
        doctor = Doctor(
            announce(endpoint),
            build_writer(settings),
            lambda probe: show(f"probing {endpoint.name}: {probe}"),
        )
        cost = doctor.estimate_tokens()
        long = f", {LONG_PROMPT:,} of them to see whether a long prompt is cut"
        tokens = f"about {cost:,} tokens in all{long if cost > LONG_PROMPT else ''}."
        note(f"Asking {endpoint.model} at {endpoint.name}: {tokens}")
        return StoredReport(doctor.probe(), endpoint.capabilities.path)


def forget_endpoint(request: DoctorRequest) -> ForgottenEndpoint:
    """Delete what is stored about the endpoint of the settings."""
    settings = _endpoint_settings(request)
    with build_endpoint(settings, settings.model or "") as endpoint:
        known = endpoint.capabilities.forget()
        return ForgottenEndpoint(
            endpoint.base_url, endpoint.model, known, endpoint.capabilities.path
        )


def _endpoint_settings(request: DoctorRequest) -> Settings:
    settings = settings_of(request)
    settings.require_endpoint()
    return settings
