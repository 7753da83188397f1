"""OpenAI's Batch API: upload a file of requests, fetch a file of answers at half the price."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from unillmrec.endpoint.wire.failures import Failure
from unillmrec.errors import EndpointError
from unillmrec.system.files import replace_file
from unillmrec.usage import Usage

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from unillmrec.endpoint.wire.connection import Connection

URL: Literal["/v1/chat/completions"] = "/v1/chat/completions"
WINDOW: Literal["24h"] = "24h"
# The limits of one file; it must stay within both.
MOST_REQUESTS = 50_000
MOST_BYTES = 200_000_000
# The metadata field by which a batch is found again if its process was killed.
MARK = "unillmrec"
# Transferring a file of 200 MB takes a while.
TRANSFER_SECONDS = 3_600.0
STATUS_SECONDS = 60.0
_FINAL_STATUSES = frozenset({"completed", "failed", "expired", "cancelled"})

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """The state of a batch on the server; *outputs* are the files with answers and errors."""

    id: str
    status: str
    outputs: tuple[str, ...]
    done: int
    total: int
    problem: str = ""

    @property
    def is_over(self) -> bool:
        """Whether the status is final."""
        return self.status in _FINAL_STATUSES


class BatchRoutes:
    """Starts batches, reads their state, and downloads their results."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def start(self, file: Path, mark: str) -> RemoteBatch:
        """Upload *file* and start a batch of its requests; `find` returns it by *mark*.

        Raises:
            EndpointError: the endpoint has no Batch API, or refused.
        """

        async def work(client: AsyncOpenAI) -> Any:
            uploaded = await client.files.create(file=file, purpose="batch")
            return await client.batches.create(
                input_file_id=uploaded.id,
                endpoint=URL,
                completion_window=WINDOW,
                metadata={MARK: mark},
            )

        return _remote_batch(self._run(work, TRANSFER_SECONDS))

    def find(self, mark: str) -> RemoteBatch | None:
        """Return the batch that was started with *mark*, if it is among the latest hundred."""

        async def work(client: AsyncOpenAI) -> Any:
            return (await client.batches.list(limit=100)).data

        batches = self._run(work, STATUS_SECONDS)
        marked = (each for each in batches if (each.metadata or {}).get(MARK) == mark)
        return next(map(_remote_batch, marked), None)

    def retrieve(self, batch_id: str) -> RemoteBatch:
        """Return the present state of a batch."""
        return _remote_batch(
            self._run(lambda client: client.batches.retrieve(batch_id), STATUS_SECONDS)
        )

    def fetch(self, file_id: str, into: Path) -> None:
        """Download a file of results; *into* appears only when it is complete."""

        async def work(client: AsyncOpenAI) -> bytes:
            return (await client.files.content(file_id)).content

        replace_file(into, [self._run(work, TRANSFER_SECONDS)])

    def _run(
        self, work: Callable[[AsyncOpenAI], Coroutine[Any, Any, Result]], seconds: float
    ) -> Result:
        try:
            return self._connection.run(work, seconds)
        except TimeoutError as error:
            raise EndpointError(
                f"the endpoint did not answer within {seconds:.0f} seconds.",
                remedy="the same command again, which goes on from here.",
                retryable=True,
            ) from error
        except Failure as failure:
            raise failure.as_error(usage=Usage(), retries=0, refused=0) from failure.__cause__


def _remote_batch(batch: Any) -> RemoteBatch:
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
    """Write lines to *path*, and to numbered files beside it where one would be too large."""
    written: list[Path] = []
    for number, part in enumerate(_split(lines, most_requests, most_bytes), start=1):
        target = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        replace_file(target, part)
        written.append(target)
    return written


def _split(lines: Iterable[str], most_requests: int, most_bytes: int) -> Iterator[list[bytes]]:
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
