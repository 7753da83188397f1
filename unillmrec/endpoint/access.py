"""The address that requests are sent to, and the key that is sent along."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from unillmrec.errors import EndpointError, SettingsError
from unillmrec.items import one_line

OPENAI_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"
CHAT = "/chat/completions"
EMBEDDINGS = "/embeddings"
# The client library insists on a key; a local server that needs none ignores this one.
_PLACEHOLDER = "no-key"
# Servers repeat a rejected key in their message, complete or partly masked.
# A made-up key for a local server may be an ordinary word of an answer.
_SHORTEST_SECRET = 8
_KEY_LIKE = re.compile(r"\b(?:(?:sk|pk|gsk|xai|hf)[-_]|Bearer )[\w*…-]{6,}")


@dataclass(frozen=True, slots=True)
class Access:
    """An address and a key that may be sent to it.

    *key_origin* names the variable or the argument that the key came from; it is empty if there
    is no key.
    """

    base_url: str
    name: str
    key: str = field(repr=False)
    key_origin: str
    is_openai: bool
    is_loopback: bool
    connect_to: str
    """Where requests are sent: *base_url*, but for a server whose address changes."""

    @classmethod
    def resolve(
        cls,
        base_url: str | None,
        api_key: str | None,
        environ: Mapping[str, str],
        connect_to: str | None = None,
    ) -> Access:
        """Take address and key from the arguments, else from the environment.

        Raises:
            SettingsError: the address or the key is missing or malformed.
            EndpointError: the key from the environment would be sent unencrypted.
        """
        url = _parse_url(base_url or environ.get(URL_VARIABLE) or OPENAI_URL)
        key, origin = _find_key(api_key, environ)
        access = cls(
            base_url=url.geturl(),
            name=url.netloc,
            key=key or _PLACEHOLDER,
            key_origin=origin,
            is_openai=url.hostname == urlsplit(OPENAI_URL).hostname,
            is_loopback=_is_loopback(url.hostname or ""),
            connect_to=connect_to or url.geturl(),
        )
        if access.is_openai and not key:
            raise SettingsError(
                f"there is no key for {access.base_url}.",
                detail=f"{KEY_VARIABLE} is not set.",
                remedy=f"export {KEY_VARIABLE}, or use --base-url for a local server.",
            )
        if origin == KEY_VARIABLE and url.scheme == "http" and not access.is_loopback:
            raise EndpointError(
                f"the key from {KEY_VARIABLE} would be sent unencrypted to {access.base_url}.",
                detail="Nothing was sent.",
                remedy=f"an https address, or set {KEY_VARIABLE}= (empty) to send no key.",
            )
        return access

    @property
    def notice(self) -> str:
        """A warning to show before the first call; mostly empty."""
        if self.key_origin == KEY_VARIABLE and not (self.is_openai or self.is_loopback):
            return f"The key from {KEY_VARIABLE} is sent to {self.name}."
        return ""

    def describe_key(self) -> str:
        """Return where the key came from and how long it is, but never the key."""
        if not self.key_origin:
            return f"No key was sent: {KEY_VARIABLE} is not set."
        return f"The key came from {self.key_origin} (set, {len(self.key)} characters)."

    def redact(self, text: str) -> str:
        """Remove the key, and whatever looks like one, from a text of the server."""
        if self.key_origin:
            text = text.replace(self.key, "[key]")
        return _KEY_LIKE.sub("[key]", text)

    def redact_values(self, value: Mapping[str, object]) -> dict[str, object]:
        """Return a JSON object of the server without the key, wherever it occurs."""
        redacted = self._redact_value(value) if self.key_origin else value
        return dict(redacted)

    def _redact_value(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(self.key, "[key]") if self._is_secret else value
        if isinstance(value, Mapping):
            pairs = value.items()
            return {self._redact_value(name): self._redact_value(each) for name, each in pairs}
        # Of long lists of numbers, which are vectors, nothing needs a look.
        if isinstance(value, list) and any(isinstance(each, str | dict | list) for each in value):
            return [self._redact_value(each) for each in value]
        return value

    @property
    def _is_secret(self) -> bool:
        """Whether the key is long enough to stand for nothing else, as "none" and "x" are not."""
        return len(self.key) >= _SHORTEST_SECRET


def _parse_url(text: str) -> SplitResult:
    """Return *text* as an address without a trailing slash.

    Raises:
        SettingsError: it is not a plain http or https address.
    """
    try:
        url = urlsplit(text.strip().rstrip("/"))
        usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(
            f"the base URL {one_line(text, 80)!r} is not an http or https address.",
            remedy="--base-url http://127.0.0.1:8080/v1, for example.",
        )
    if "@" in url.netloc or url.query or url.fragment:
        # Not quoted: a user or a query often holds a password.
        raise SettingsError(
            f"the base URL for {url.hostname} contains a user, a query or a fragment.",
            remedy=f"the plain address, and the key in {KEY_VARIABLE}.",
        )
    if url.path.endswith(CHAT):
        raise SettingsError(
            f"the base URL {url.geturl()} includes a route.",
            remedy=f"--base-url {url.geturl().removesuffix(CHAT)}",
        )
    return url


def _find_key(api_key: str | None, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the key and its origin; two empty strings if there is none.

    Raises:
        SettingsError: the key holds characters that no HTTP header can carry.
    """
    key, origin = (
        (api_key, "api_key")
        if api_key is not None
        else (environ.get(KEY_VARIABLE, ""), KEY_VARIABLE)
    )
    key = key.strip()
    for position, character in enumerate(key, start=1):
        if not "!" <= character <= "~":
            # Otherwise the HTTP library would quote the whole header in its error.
            raise SettingsError(
                f"character {position} of the key from {origin} cannot be sent.",
                detail="A key has no spaces, line breaks or letters beyond ASCII.",
                remedy=f"copy the key again, and export {KEY_VARIABLE}.",
            )
    return (key, origin) if key else ("", "")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
