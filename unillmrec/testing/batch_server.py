"""A fake server with OpenAI's Batch API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from unillmrec.testing.server import FakeServer
from unillmrec.testing.wire import HttpAnswer


class BatchServer(FakeServer):
    """A `FakeServer` with the routes for files and batches.

    A batch is finished after it was polled *looks* times. Requests whose number, counted over all
    files, is in *broken* fail. `batched` counts requests in files, and `batches` holds all started
    batches by id.
    """

    def __init__(self, *, looks: int = 1, broken: frozenset[int] = frozenset(), **how: Any) -> None:
        super().__init__(**how)
        self.batched = 0
        self.batches: dict[str, dict[str, Any]] = {}
        self.files: dict[str, str] = {}
        self._looks = looks
        self._broken = broken

    def respond(
        self, route: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> HttpAnswer:
        """Answer a request about files and batches, or any other request."""
        parts = route.partition("?")[0].removeprefix("/v1").strip("/").split("/")
        if parts[0] == "files":
            return self._file(parts, body)
        if parts[0] == "batches":
            return self._batch(parts, body)
        return super().respond(route, body, headers)

    def _file(self, parts: list[str], body: Mapping[str, Any] | None) -> HttpAnswer:
        if body is None:
            return HttpAnswer(200, self.files[parts[1]].encode(), media="application/octet-stream")
        return _json({"id": self._add_file(str(body["file"])), "object": "file"})

    def _add_file(self, text: str) -> str:
        name = f"file-{len(self.files) + 1}"
        self.files[name] = text
        return name

    def _batch(self, parts: list[str], body: Mapping[str, Any] | None) -> HttpAnswer:
        if body is not None:
            name = f"batch-{len(self.batches) + 1}"
            started = {"id": name, "object": "batch", "status": "in_progress", "looks": 0, **body}
            self.batches[name] = started
            return _json(started)
        if len(parts) == 1:
            return _json({"object": "list", "data": [*self.batches.values()], "has_more": False})
        batch = self.batches[parts[1]]
        batch["looks"] += 1
        if batch["looks"] > self._looks and batch["status"] == "in_progress":
            self._finish(batch)
        return _json(batch)

    def _finish(self, batch: dict[str, Any]) -> None:
        answers: list[str] = []
        errors: list[str] = []
        for line in self.files[batch["input_file_id"]].splitlines():
            request = json.loads(line)
            self.batched += 1
            broken = self.batched in self._broken
            answer = None if broken else self._billed("/chat/completions", request["body"], None)
            response = {
                "status_code": answer.status if answer else 500,
                "body": json.loads(answer.body) if answer else {"error": {"message": "broken"}},
            }
            result = {"custom_id": request["custom_id"], "response": response, "error": None}
            (errors if broken else answers).append(json.dumps(result))
        batch["output_file_id"] = self._add_file("\n".join(answers) + "\n") if answers else None
        batch["error_file_id"] = self._add_file("\n".join(errors) + "\n") if errors else None
        total = len(answers) + len(errors)
        counts = {"total": total, "completed": len(answers), "failed": len(errors)}
        batch |= {"status": "completed", "request_counts": counts}


def _json(value: object) -> HttpAnswer:
    return HttpAnswer(200, json.dumps(value).encode())
