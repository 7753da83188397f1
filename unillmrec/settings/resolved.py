"""The resolved settings, which know the origin of every value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from unillmrec.errors import SettingsError
from unillmrec.prices import Price
from unillmrec.settings.options import OPTIONS, AskChoice, JudgeChoice, nearest
from unillmrec.settings.sources import from_file, from_flags, from_variables, unread_variables

LOCAL_TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of `unillmrec settings`; a key shows only its length."""

    name: str
    value_shown: str
    origin: str
    """The flag, the variable or the file the value came from, or "default"."""
    problem: str | None = None
    """The reason why a valid value will not work."""


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """Everything that can be configured apart from a command's own arguments."""

    base_url: str | None = None
    """Where the endpoint is; None is the one the openai package knows."""
    api_key: str | None = None
    model: str | None = None
    model_file: Path | None = None
    """A GGUF file that runs in this process; its name is then that of the model."""
    judge: JudgeChoice = "auto"
    ask: AskChoice = "auto"
    """The request style; "auto" is the best one that the endpoint is known to support."""
    endpoint_memory: Path | Literal["off"] | None = None
    """The file with the capabilities of endpoints; None is the one in the user's state folder."""
    embed_model: str | None = None
    prompts: Path | None = None
    """A folder whose prompts replace the bundled ones of the same name."""
    usage_log: Path | Literal["off"] | None = None
    """The file that usage is added to; None leaves the place to the command."""
    timeout_seconds: float = 60.0
    concurrency: int = 8
    """Calls in flight at the same time."""
    extra_body: Mapping[str, object] = field(default_factory=dict)
    """Fields added to every request as they are, such as `{"top_k": 20}`."""
    prices: Mapping[str, Price] = field(default_factory=dict)
    """What models cost, by name, or by name and host: `qwen3:8b at localhost:11434`."""
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Where each value came from, by name; a name that is not in it has its default."""
    unread: tuple[str, ...] = field(default=(), compare=False)
    """Variables that are named like ours and set nothing."""

    @classmethod
    def resolve(
        cls,
        flags: Mapping[str, object] | None = None,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> Settings:
        """Return the settings in force.

        *flags* are command-line values by setting name, where None means not given. *environment*
        and *directory* default to those of the process.

        Raises:
            SettingsError: A value is unusable, or the settings file is.
        """
        environment = os.environ if environment is None else environment
        sources = (
            from_flags(flags or {}),
            from_variables(environment),
            from_file(environment, directory or Path()),
        )
        values: dict[str, Any] = {}
        origins = {}
        for option in OPTIONS:
            source = next((each for each in sources if option.name in each.values), None)
            if source:
                values[option.name] = source.read(option)
                origins[option.name] = source.origins[option.name]
        if path := values.get("model_file"):
            # A model on this machine answers one call at a time, and takes its time.
            values |= {"model": path.stem}
            origins |= {"model": origins["model_file"]}
            values = {"concurrency": 1, "timeout_seconds": LOCAL_TIMEOUT_SECONDS, **values}
        return cls(**values, origins=origins, unread=unread_variables(environment))

    def origin(self, name: str) -> str:
        """Return where the value of *name* came from."""
        return self.origins.get(name, "default")

    @property
    def has_endpoint(self) -> bool:
        """Whether a language model can be asked."""
        return not self._missing()

    def require_endpoint(self) -> None:
        """Raise unless a language model can be asked.

        Raises:
            SettingsError: something is missing; the message names the variables to set.
        """
        if missing := self._missing():
            raise SettingsError(
                f"asking a language model needs {' and '.join(missing)}.",
                detail=f"The judge is {self.judge!r} ({self.origin('judge')}).",
                remedy="set what is missing, or pass --judge embedded, which needs neither.",
            )

    def explain(self) -> list[Setting]:
        """Return every setting in printable form, with its origin and problems."""
        problems = self._problems()
        shown = [
            Setting(
                option.name,
                option.show(getattr(self, option.name)),
                self.origin(option.name),
                "; ".join(problems.get(option.name, ())) or None,
            )
            for option in OPTIONS
        ]
        variables = [option.variable for option in OPTIONS if option.variable]
        for name in self.unread:
            problem = f"no setting reads this variable.{nearest(name, variables)}"
            shown.append(Setting(name, "ignored", "environment", problem))
        return shown

    def runs_file(self, model: str | None) -> bool:
        """Whether *model* is the one that runs in this process."""
        return self.model_file is not None and model == self.model

    def _missing(self) -> list[str]:
        if self.model_file:
            return []
        missing = [] if self.model else ["a model (UNILLMREC_MODEL or --model)"]
        if not self.base_url and not self.api_key:
            missing.append("an endpoint (OPENAI_BASE_URL or --base-url, or OPENAI_API_KEY)")
        return missing

    def _problems(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        if self.base_url:
            found["base_url"] = _address_problems(self.base_url, bool(self.api_key))
        if not self.model and (self.base_url or self.api_key):
            found["model"] = ["the endpoint is not asked without one"]
        if self.judge == "endpoint" and self._missing():
            found["judge"] = [f"needs {' and '.join(self._missing())}"]
        if self.model_file and not self.model_file.is_file():
            found["model_file"] = ["there is no such file"]
        if self.prompts and not self.prompts.is_dir():
            found["prompts"] = ["there is no such folder"]
        if isinstance(self.usage_log, Path) and not self.usage_log.parent.is_dir():
            found["usage_log"] = [f"there is no folder {self.usage_log.parent}"]
        return found

    def __repr__(self) -> str:
        # A key must not end up in a log or a traceback, not even in part.
        shown = (f"{each.name}: {each.show(getattr(self, each.name))}" for each in OPTIONS)
        return f"<Settings {'; '.join(shown)}>"


def _address_problems(address: str, with_key: bool) -> list[str]:
    parts = urlsplit(address)
    problems = []
    # The address is taken literally, and a wrong path answers with a web page or a 404.
    if not parts.path.strip("/"):
        problems.append("there is no path in it; most servers answer under /v1")
    if parts.scheme == "http" and with_key and not _is_this_machine(parts.hostname or ""):
        problems.append("the key travels to it unencrypted; use https")
    return problems


def _is_this_machine(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.") or host.endswith(".localhost")
