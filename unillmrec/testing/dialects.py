"""How OpenAI-compatible servers differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a parameter is refused: the status, and where its name appears.

    *named* is "param" as at OpenAI, "loc" as in pydantic's answers, "text" for the message alone,
    or "nowhere".
    """

    status: int = 400
    named: Literal["param", "loc", "text", "nowhere"] = "param"

    def body(self, parameter: str, value: object) -> dict[str, object]:
        """Return the body of the error answer."""
        if self.named == "loc":
            place = {"type": "extra_forbidden", "loc": ["body", parameter], "input": value}
            return {"detail": [place | {"msg": "Extra inputs are not permitted"}]}
        text = f"This {parameter} is unavailable now" if self.named == "text" else "Bad request"
        error: dict[str, object] = {"message": text, "type": "invalid_request_error"}
        if self.named == "param":
            error |= {
                "message": f"Unsupported parameter: '{parameter}'.",
                "param": parameter,
                "code": "unsupported_parameter",
            }
        return {"error": error}


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one kind of server accepts and reports.

    *refuses* holds parameters, or "json_schema" and "json_object" for values of `response_format`.
    *known*, if given, lists the only accepted fields; *ignores* those that are accepted without
    effect. *tells_logprobs* says whether log probabilities of the first token are returned; the
    model then prefers letters by *label_bias*, which is added to their log odds. A server that
    *thinks* spends its tokens on reasoning first. *context* is the context length it reports, and
    *cuts_at* the length to which it silently truncates prompts.
    """

    refuses: Mapping[str, Refusal] = field(default_factory=dict)
    known: frozenset[str] | None = None
    enforces_schema: bool = True
    reports: Literal["everything", "totals", "nothing"] = "everything"
    ignores: frozenset[str] = frozenset()
    tells_logprobs: bool = False
    label_bias: tuple[float, ...] = ()
    thinks: bool = False
    context: int | None = None
    cuts_at: int | None = None

    def refusal(self, body: Mapping[str, object]) -> tuple[int, dict[str, object]] | None:
        """Return status and body if the server does not accept *body*, else None."""
        for name, value in body.items():
            if self.known is not None and name not in self.known:
                refusal = Refusal(422, "loc")
                return refusal.status, refusal.body(name, value)
            kind = value.get("type") if isinstance(value, dict) else None
            found = self.refuses.get(name) or self.refuses.get(str(kind))
            if found is not None:
                return found.status, found.body(name, value)
        return None


DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "strict-schema": Dialect(),
        "schema-refused-400": Dialect(refuses={"json_schema": Refusal(400, "text")}),
        "schema-refused-500": Dialect(refuses={"json_schema": Refusal(500, "nowhere")}),
        "schema-ignored": Dialect(enforces_schema=False),
        "no-usage": Dialect(reports="nothing"),
        "no-logprobs": Dialect(refuses={"logprobs": Refusal(), "top_logprobs": Refusal()}),
        "no-max-tokens": Dialect(refuses={"max_tokens": Refusal()}),
        "known-fields-only": Dialect(
            known=frozenset({"model", "messages", "max_tokens", "temperature", "response_format"})
        ),
        "plain-text-only": Dialect(
            refuses={"response_format": Refusal(422, "loc")}, reports="totals"
        ),
        "logprobs": Dialect(tells_logprobs=True, context=8192),
        "thinking": Dialect(
            refuses=dict.fromkeys(("temperature", "logprobs", "max_tokens"), Refusal()),
            thinks=True,
        ),
        "cuts-prompts": Dialect(cuts_at=2048, ignores=frozenset({"logprobs"})),
    }
)
"""The kinds of servers that one unchanged command has to work with."""
