"""A fake server that speaks the OpenAI protocol, and fails on request."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from unillmrec.testing.dialects import DIALECTS, Dialect
from unillmrec.testing.faults import Fault, FaultKind, as_fault
from unillmrec.testing.letters import label_logprobs, labelled, most_probable
from unillmrec.testing.prefix_cache import PrefixCache
from unillmrec.testing.sensible import asked_form, sensible_answer, sensible_prose, sensible_vector
from unillmrec.testing.wire import HttpAnswer, Listener
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Usage

AnyFault: TypeAlias = Fault | FaultKind | int | None
Body: TypeAlias = Mapping[str, Any]

_ON_THE_WIRE = frozenset({FaultKind.SLOW, FaultKind.DRIP, FaultKind.DROP, FaultKind.RESET})
# Billed, and nothing that can be read says how much.
_UNREPORTED = frozenset(
    {FaultKind.DROP, FaultKind.CUT_JSON, FaultKind.NO_USAGE, FaultKind.WRONG_USAGE}
)
_PAGE = b"<!DOCTYPE html><html><body><h1>It works</h1></body></html>"
_PER_MESSAGE = 3
THOUGHT_TOKENS = 40
"""What a server that thinks spends on it, before each answer."""


@dataclass(slots=True)
class _Choice:
    """A choice in progress, and its cost."""

    text: str | None
    finish: str
    prompt: int
    completion: int
    reasoning: int = 0
    cached: int = 0
    refusal: str | None = None


class FakeServer:
    """A fake model server for tests, used as a context manager.

    *answer* computes the text of a reply from the body of a request; the default is
    `sensible_answer` in the requested format. *dialect* is a `Dialect`, or its name in `DIALECTS`.
    *faults* lists the fault of the first, second, … request (None: no fault), or is a function of
    the number of requests so far; a status may stand for its fault, and `faults.by_rate` draws
    random ones. *seconds* is the latency of every answer, or a range from which *seed* and the
    request's number choose. *key*, if given, is the only accepted one. More than *allows* requests
    at a time are refused with status 429. With *prefix_cache*, prompt prefixes of at least this
    many tokens that repeat an earlier prompt are reported as cached. *port* 0 chooses a free one.

    `received` counts requests; `requests` and `headers` hold them unless *keep* is false, as for a
    server that runs for days. `billed` is the server's own bill, `reported` the part of it that
    clients received in a complete answer with usable counts. `most_at_once` is the largest number
    of concurrent requests, `connections` the number of connections opened.
    """

    def __init__(
        self,
        answer: Callable[[Body], str] | None = None,
        *,
        dialect: Dialect | str = "strict-schema",
        faults: Sequence[AnyFault] | Callable[[int], AnyFault] = (),
        seconds: float | tuple[float, float] = 0.0,
        seed: int = 0,
        key: str | None = None,
        allows: int | None = None,
        prefix_cache: int | None = None,
        model: str = "fake-model",
        count: Callable[[str], int] | None = None,
        port: int = 0,
        keep: bool = True,
    ) -> None:
        self.dialect = DIALECTS[dialect] if isinstance(dialect, str) else dialect
        self.model = model
        self.received = 0
        self.requests: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.statuses: list[int] = []
        self.billed = Usage()
        self.reported = Usage()
        self.most_at_once = 0
        self._answer = answer
        self._faults = faults
        self._seconds = seconds if isinstance(seconds, tuple) else (seconds, seconds)
        self._seed = seed
        self._keep = keep
        self._key = key
        self._allows = allows
        self._count = count or TokenCounter.for_model(None).count
        self._prefixes = None if prefix_cache is None else PrefixCache(prefix_cache, self._count)
        self._at_once = 0
        self._lock = threading.Lock()
        self._listener = Listener(self, port)

    @property
    def base_url(self) -> str:
        """The address for clients."""
        return f"http://127.0.0.1:{self._listener.server_port}/v1"

    @property
    def connections(self) -> int:
        """How many connections clients have opened."""
        return self._listener.opened

    def __enter__(self) -> FakeServer:
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.stop()

    def respond(self, route: str, body: Body | None, headers: Mapping[str, str]) -> HttpAnswer:
        """Answer one request; called from several threads."""
        with self._lock:
            place = self.received
            fault = self._fault(place) if body is not None else None
            self.received += body is not None
            if body is not None and self._keep:
                self.requests.append(dict(body))
                self.headers.append(headers)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            crowded = self._allows is not None and self._at_once > self._allows
            fault = Fault.status(429) if crowded else fault
        try:
            if self._seconds[1] and not crowded:
                time.sleep(random.Random(f"{self._seed}:{place}").uniform(*self._seconds))
            answer = self._respond(route, body, headers, fault)
        finally:
            with self._lock:
                self._at_once -= 1
        with self._lock:
            self.statuses.append(answer.status)
        return answer

    def _fault(self, place: int) -> Fault | None:
        if callable(self._faults):
            return as_fault(self._faults(place))
        return as_fault(self._faults[place]) if place < len(self._faults) else None

    def _respond(
        self, route: str, body: Body | None, headers: Mapping[str, str], fault: Fault | None
    ) -> HttpAnswer:
        if self._key is not None and headers.get("authorization") != f"Bearer {self._key}":
            return _error(Fault.status(401))
        if route.endswith("/models"):
            return _json({"object": "list", "data": [self._model_card()]})
        if body is None:
            return _error(Fault.status(400))
        unbilled = self._unbilled(body, fault)
        if unbilled is not None:
            return unbilled
        try:
            return self._billed(route, body, fault)
        except Exception as error:
            # Otherwise the test would see a dropped connection and never the reason.
            return _error(Fault.status(500, message=f"The test's own answer failed: {error!r}"))

    def _model_card(self) -> dict[str, object]:
        context = self.dialect.context
        model: dict[str, object] = {"id": self.model, "object": "model"}
        return model if context is None else model | {"max_model_len": context}

    def _unbilled(self, body: Body, fault: Fault | None) -> HttpAnswer | None:
        """Return the answer to a request that never reaches the model."""
        if fault is not None:
            if fault.kind is FaultKind.STATUS:
                return _error(fault)
            if fault.kind is FaultKind.REFUSE and fault.parameter in body:
                return _error(fault)
            if fault.kind is FaultKind.HTML:
                return HttpAnswer(200, _PAGE, media="text/html")
            if fault.kind is FaultKind.ERROR_BODY:
                return _json({"error": fault.error or {"message": "Scripted error."}})
            if fault.kind is FaultKind.RESET:
                return HttpAnswer(200, b"", manner=FaultKind.RESET)
        refusal = self.dialect.refusal(body)
        return _json(refusal[1], status=refusal[0]) if refusal else None

    def _billed(self, route: str, body: Body, fault: Fault | None) -> HttpAnswer:
        kind = fault.kind if fault else None
        if route.endswith("/embeddings"):
            payload = self._vectors(body, kind)
        elif route.endswith("/chat/completions"):
            payload = self._completion(body, fault)
        else:
            return _error(Fault.status(404))
        content = json.dumps(payload, ensure_ascii=False).encode()
        if kind is FaultKind.CUT_JSON:
            content = content[: len(content) * 2 // 3]
        manner = kind if kind in _ON_THE_WIRE else None
        return HttpAnswer(200, content, manner=manner, seconds=fault.seconds if fault else 0.0)

    def _vectors(self, body: Body, kind: FaultKind | None) -> dict[str, object]:
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        prompt = sum(map(self._count, texts))
        # Embeddings always come with their usage, whatever the fault.
        reported = kind not in (FaultKind.DROP, FaultKind.CUT_JSON)
        self._bill(Usage(1, prompt, 0, 0, 0), reported=reported)
        rows = [
            {"object": "embedding", "index": index, "embedding": sensible_vector(text)}
            for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": prompt, "total_tokens": prompt}
        return {"object": "list", "data": rows, "model": body["model"], "usage": usage}

    def _completion(self, body: Body, fault: Fault | None) -> dict[str, object]:
        kind = fault.kind if fault else None
        choice = self._choice(body, kind)
        if fault and kind is FaultKind.PROMPT_CUT:
            choice.prompt = min(choice.prompt, fault.tokens)
        elif self._prefixes is not None:
            choice.cached = self._prefixes.add(_contents(body, "system", "user", "assistant"))
        usage = Usage(1, choice.prompt, choice.completion, choice.cached, choice.reasoning)
        reported = kind not in _UNREPORTED and self.dialect.reports != "nothing"
        self._bill(usage, reported=reported)
        message = {"role": "assistant", "content": choice.text, "refusal": choice.refusal}
        chosen: dict[str, object] = {"index": 0, "message": message, "finish_reason": choice.finish}
        if self.dialect.tells_logprobs and body.get("logprobs") and choice.text:
            prompt = _contents(body, "user")
            chosen["logprobs"] = label_logprobs(prompt, choice.text, self.dialect.label_bias)
        payload: dict[str, object] = {
            "id": f"fake-{self.received}",
            "object": "chat.completion",
            "created": 0,
            "model": body.get("model"),
            "choices": [chosen],
        }
        if kind is FaultKind.EMPTY_CHOICES:
            payload["choices"] = []
        counts = self._usage(choice, kind)
        return payload if counts is None else payload | {"usage": counts}

    def _choice(self, body: Body, kind: FaultKind | None) -> _Choice:
        text = self._text(body, kind)
        prompt = sum(self._count(str(each.get("content"))) for each in body["messages"])
        prompt += _PER_MESSAGE * (len(body["messages"]) + 1)
        prompt = min(prompt, self.dialect.cuts_at or prompt)
        limit = self._limit(body)
        choice = _Choice(text, "stop", prompt, self._count(text))
        if self.dialect.thinks:
            choice.reasoning = THOUGHT_TOKENS
            choice.completion += THOUGHT_TOKENS
        cut_while_reasoning = self.dialect.thinks and limit is not None and limit <= THOUGHT_TOKENS
        if kind is FaultKind.THOUGHT_AWAY or cut_while_reasoning:
            spent = limit or 100
            choice = _Choice("", "length", prompt, spent, reasoning=spent)
        elif kind is FaultKind.NULL_CONTENT:
            choice.text = None
        elif kind is FaultKind.FILTER:
            choice = _Choice(None, "content_filter", prompt, 0)
        elif kind is FaultKind.REFUSAL:
            choice.text, choice.refusal = None, "I cannot help with that."
        elif kind is FaultKind.CUT:
            choice = self._cut(choice, max(1, choice.completion // 2))
        elif limit and choice.completion > limit:
            choice = self._cut(choice, limit)
        return choice

    def _limit(self, body: Body) -> int | None:
        names = {"max_completion_tokens", "max_tokens"} - self.dialect.ignores
        return next((body[name] for name in names if body.get(name)), None)

    def _cut(self, choice: _Choice, tokens: int) -> _Choice:
        text = choice.text or ""
        kept = text[: len(text) * tokens // choice.completion]
        return _Choice(kept, "length", choice.prompt, tokens)

    def _text(self, body: Body, kind: FaultKind | None) -> str:
        if self._answer is not None:
            return self._answer(body)
        if labelled(_contents(body, "user")) and not body.get("response_format"):
            return most_probable(_contents(body, "user"), self.dialect.label_bias)
        response_format = body.get("response_format") or {}
        schema = response_format.get("json_schema", {}).get("schema", {})
        wanted = next(iter(schema.get("properties", {})), None)
        form = wanted or asked_form(_contents(body, "system", "user"))
        answer = sensible_answer(_contents(body, "user"), form)
        if wanted and (kind is FaultKind.IGNORE_SCHEMA or not self.dialect.enforces_schema):
            return sensible_prose(answer)
        if only := _only_legal(schema):
            return json.dumps(only)
        return answer if response_format else f"Here it is:\n```json\n{answer}\n```\n"

    def _usage(self, choice: _Choice, kind: FaultKind | None) -> dict[str, object] | None:
        if kind is FaultKind.NO_USAGE or self.dialect.reports == "nothing":
            return None
        if kind is FaultKind.WRONG_USAGE:
            return {"prompt_tokens": -5, "completion_tokens": "many", "total_tokens": True}
        usage: dict[str, object] = {
            "prompt_tokens": choice.prompt,
            "completion_tokens": choice.completion,
            "total_tokens": choice.prompt + choice.completion,
        }
        if self.dialect.reports == "everything":
            usage["prompt_tokens_details"] = {"cached_tokens": choice.cached}
            usage["completion_tokens_details"] = {"reasoning_tokens": choice.reasoning}
        return usage

    def _bill(self, usage: Usage, *, reported: bool) -> None:
        with self._lock:
            self.billed += usage
            if reported:
                self.reported += usage


def _contents(body: Body, *roles: str) -> str:
    messages = (each for each in body["messages"] if each.get("role") in roles)
    return "\n".join(str(message.get("content")) for message in messages)


def _only_legal(schema: Mapping[str, Any]) -> dict[str, object]:
    """Return the only object a schema allows, if it allows a single one."""
    properties = schema.get("properties", {})
    values = {name: each.get("enum", ()) for name, each in properties.items()}
    whole = values and all(len(each) == 1 for each in values.values())
    return {name: each[0] for name, each in values.items()} if whole else {}


def _json(value: object, *, status: int = 200) -> HttpAnswer:
    return HttpAnswer(status, json.dumps(value, ensure_ascii=False).encode())


def _error(fault: Fault) -> HttpAnswer:
    content = json.dumps({"error": dict(fault.error)}).encode()
    return HttpAnswer(fault.code, content, headers=fault.headers)
