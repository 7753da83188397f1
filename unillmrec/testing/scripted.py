"""An endpoint without a network: prepared answers, recorded requests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from unillmrec.endpoint.contract import Reply, Request
from unillmrec.testing.sensible import sensible_vector
from unillmrec.usage import Usage

HttpAnswer: TypeAlias = str | Reply | Exception
"""What a script may hold: a text, a whole reply, or an error to raise."""


class ScriptedEndpoint:
    """Answers from a list, or from a function of the request.

    Requests are recorded in order in `requests`. Usage is computed from the texts at four
    characters per token.
    """

    def __init__(
        self,
        answers: Iterable[HttpAnswer] | Callable[[Request], HttpAnswer],
        *,
        model: str = "scripted",
        name: str = "script",
    ) -> None:
        self.model = model
        self.name = name
        self.requests: list[Request] = []
        self.embedded: list[str] = []
        self._lock = threading.Lock()
        self._answer = answers if callable(answers) else None
        self._script: Iterator[HttpAnswer] = iter(()) if callable(answers) else iter(answers)

    def complete(self, request: Request) -> Reply:
        """Return the next prepared answer, or raise it if it is an error.

        Raises:
            AssertionError: there is no answer left.
        """
        with self._lock:
            self.requests.append(request)
            asked = len(self.requests)
            answer = None if self._answer else next(self._script, None)
        if self._answer:
            answer = self._answer(request)
        if answer is None:
            raise AssertionError(f"the script has {asked - 1} answers, and was asked once more")
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Reply) else self._reply(request, answer)

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """Return vectors that are similar for texts with the same words."""
        with self._lock:
            self.embedded += texts
        prompt = sum(_tokens(text) for text in texts)
        return [sensible_vector(text) for text in texts], Usage(calls=1, prompt=prompt)

    def _reply(self, request: Request, text: str) -> Reply:
        usage = Usage(
            calls=1,
            prompt=sum(_tokens(message.content) for message in request.messages),
            completion=_tokens(text),
        )
        return Reply(
            text=text,
            usage=usage,
            asked_with="json_schema" if request.schema else "text",
            finish="stop",
            model=self.model,
            seconds=0.0,
        )


def _tokens(text: str) -> int:
    return -(-len(text) // 4)
