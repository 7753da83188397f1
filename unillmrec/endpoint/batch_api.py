"""OpenAI's Batch API: requests in a file, answers in a file a while later, at half the price."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from unillmrec.endpoint.wire.connection import Connection
from unillmrec.endpoint.wire.failures import Failure
from unillmrec.errors import EndpointError
from unillmrec.usage import Usage

if TYPE_CHECKING:
    from openai import AsyncOpenAI

URL: Literal["/v1/chat/completions"] = "/v1/chat/completions"
WINDOW: Literal["24h"] = "24h"
# What a file may hold at most; whichever comes first.
MOST_REQUESTS = 50_000
MOST_BYTES = 200_000_000
# How our batches are found again, by whoever started them and was killed before it knew.
MARK = "unillmrec"
# A file of two hundred megabytes takes its time.
FILE_SECONDS = 3_600.0
LOOK_SECONDS = 60.0
_OVER = frozenset({"completed", "failed", "expired", "cancelled"})

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """A batch as the server sees it; *outputs* are the files with answers and with errors."""

    id: str
    status: str
    outputs: tuple[str, ...]
    done: int
    total: int
    problem: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in _OVER


class BatchRoutes:
    """Uploads files of requests, and fetches what became of them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def start(self, file: Path, mark: str) -> RemoteBatch:
        """Upload *file* and have its requests answered.

        Raises:
            EndpointError: the endpoint has no such routes, or refused.
        """

        async def work(client: AsyncOpenAI) -> Any:
            uploaded = await client.files.create(file=file, purpose="batch")
            return await client.batches.create(
                input_file_id=uploaded.id,
                endpoint=URL,
                completion_window=WINDOW,
                metadata={MARK: mark},
            )

        return _seen(self._do(work, FILE_SECONDS))

    def find(self, mark: str) -> RemoteBatch | None:
        """Return the batch that was started with *mark*, if it is among the last hundred."""

        async def work(client: AsyncOpenAI) -> Any:
            return (await client.batches.list(limit=100)).data

        found = self._do(work, LOOK_SECONDS)
        marked = (each for each in found if (each.metadata or {}).get(MARK) == mark)
        return next(map(_seen, marked), None)

    def look(self, batch_id: str) -> RemoteBatch:
        """Return how far a batch is."""
        return _seen(self._do(lambda client: client.batches.retrieve(batch_id), LOOK_SECONDS))

    def fetch(self, file_id: str, into: Path) -> None:
        """Write a file of results beside its place and put it there."""

        async def work(client: AsyncOpenAI) -> bytes:
            return (await client.files.content(file_id)).content

        beside = into.with_name(into.name + ".part")
        beside.write_bytes(self._do(work, FILE_SECONDS))
        beside.replace(into)

    def _do(
        self, work: Callable[[AsyncOpenAI], Coroutine[Any, Any, Result]], seconds: float
    ) -> Result:
        try:
            return self._connection.do(work, seconds)
        except TimeoutError as error:
            raise EndpointError(
                f"the endpoint did not answer within {seconds:.0f} seconds.",
                remedy="the same command again, which goes on from here.",
                retryable=True,
            ) from error
        except Failure as failure:
            raise failure.as_error(usage=Usage(), retries=0, refused=0) from failure.__cause__


def _seen(batch: Any) -> RemoteBatch:
    counts = batch.request_counts
    errors = batch.errors.data if batch.errors and batch.errors.data else []
    return RemoteBatch(
        batch.id,
        batch.status,
        tuple(filter(None, (batch.output_file_id, batch.error_file_id))),
        (counts.completed + counts.failed) if counts else 0,
        counts.total if counts else 0,
        "; ".join(each.message or each.code or "" for each in errors[:3]),
    )


def request_line(name: str, body: Mapping[str, object]) -> str:
    """Return the line of a request file for the request *name*."""
    line = {"custom_id": name, "method": "POST", "url": URL, "body": body}
    return json.dumps(line, ensure_ascii=False)


def write_request_files(
    lines: Iterable[str],
    path: Path,
    *,
    most_requests: int = MOST_REQUESTS,
    most_bytes: int = MOST_BYTES,
) -> list[Path]:
    """Write lines to *path*, and to files numbered after it where one would be too large."""
    written: list[Path] = []
    for number, part in enumerate(_parts(lines, most_requests, most_bytes), start=1):
        place = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        beside = place.with_name(place.name + ".part")
        beside.write_bytes(b"".join(part))
        beside.replace(place)
        written.append(place)
    return written


def _parts(lines: Iterable[str], most_requests: int, most_bytes: int) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    size = 0
    for line in lines:
        encoded = line.encode("utf-8", "replace") + b"\n"
        if part and (len(part) >= most_requests or size + len(encoded) > most_bytes):
            yield part
            part, size = [], 0
        part.append(encoded)
        size += len(encoded)
    if part:
        yield part
