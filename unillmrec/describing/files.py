"""Describing by files: requests go out in files, answers come back in files, perhaps a day later.

Each round is one level of the tree, the topmost that is left, for what is written about a
branch is read by those who describe what is below. What went out is written down beside the
tree, so that answers find their nodes, and nothing goes out twice while it is waited for.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from unillmrec.describing.run import (
    DescribeOptions,
    Family,
    begin_describing,
    wanted_families,
    write_summaries,
)
from unillmrec.endpoint import Reply, Request
from unillmrec.endpoint.batch_api import request_line, write_request_files
from unillmrec.errors import ReplyError, StoreError, UnillmrecError
from unillmrec.judge import Dropped, PromptWriter
from unillmrec.judge.describer import collect_summaries
from unillmrec.replies.summaries import read_summaries
from unillmrec.store import EditableTree, Node
from unillmrec.usage import Usage

SUFFIX = ".describing"
# A node that was asked about so often in vain must not keep everything below it waiting.
ATTEMPTS = 2

OnAnswer: TypeAlias = Callable[[Reply], None]


class FileEndpoint(Protocol):
    """What files of requests and answers need of an endpoint."""

    @property
    def model(self) -> str:
        """The model, as the server knows it."""

    @property
    def name(self) -> str:
        """Where the model is, for people."""

    def body_of(self, request: Request) -> dict[str, object]:
        """Return a request as it would be sent."""

    def read(self, payload: Mapping[str, object], max_output: int) -> Reply:
        """Return the reply in an answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that went out: the nodes it is about, and their counts of changes then."""

    name: str
    keys: tuple[int, ...]
    moved: tuple[int, ...]
    max_output: int


class Manifest:
    """What went out and has not come back, in a file beside the tree; one line for each event."""

    def __init__(self, tree: Path) -> None:
        self.path = tree.with_name(tree.name + SUFFIX)
        self.waiting: dict[str, Asked] = {}
        self.vain: Counter[int] = Counter()
        self.mark = ""
        """What the batches of the last round are found again by."""
        self.files: dict[str, str] = {}
        """The files that are being answered, each with the id of its batch, or nothing yet."""
        if self.path.exists():
            self._read()

    def _read(self) -> None:
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                event = json.loads(line)
            except ValueError:
                # Of a process that was killed while it wrote; nothing followed from it.
                continue
            try:
                self._apply(event)
            except (KeyError, TypeError) as error:
                raise StoreError(
                    f"{self.path}:{number} is not a line of ours.", remedy="remove the file."
                ) from error

    def _apply(self, event: Mapping[str, object]) -> None:
        if isinstance(asked := event.get("asked"), list):
            for each in asked:
                name, keys, moved, most = (each[n] for n in ("name", "keys", "moved", "max_output"))
                self.waiting[name] = Asked(name, tuple(keys), tuple(moved), most)
            self.mark = str(event.get("mark"))
            self.files |= dict.fromkeys(map(str, _list(event.get("files"))), "")
        if "answered" in event:
            self.waiting.pop(str(event["answered"]), None)
            self.vain.update(int(str(key)) for key in _list(event.get("vain")))
        if "batch" in event:
            self.files[str(event["file"])] = str(event["batch"])
        if "over" in event:
            self.files.pop(str(event["over"]), None)
            for name in _list(event.get("lost")):
                self.waiting.pop(str(name), None)

    def add(self, event: Mapping[str, object]) -> None:
        """Write an event down, and take it in."""
        with self.path.open("ab+") as file:
            # A line that was torn by a kill must not take the next one with it.
            if file.tell() and (file.seek(-1, 2) or True) and file.read(1) != b"\n":
                file.write(b"\n")
            file.write(json.dumps(event).encode() + b"\n")
        self._apply(event)

    def clear(self) -> None:
        """Take the file away: nothing is waited for."""
        self.path.unlink(missing_ok=True)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


@dataclass(slots=True)
class ImportReport:
    """What came of files of results.

    *described* nodes have a new summary; *vain* requests came to nothing, *foreign* results
    belong to no request that is waited for.
    """

    described: int = 0
    gone: int = 0
    shortened: int = 0
    vain: int = 0
    foreign: int = 0
    waiting: int = 0
    problems: list[str] = field(default_factory=list)
    dropped: Dropped = field(default_factory=Dropped)
    usage: Usage = field(default_factory=Usage)


def export_round(
    tree: EditableTree,
    endpoint: FileEndpoint,
    writer: PromptWriter,
    options: DescribeOptions,
    manifest: Manifest,
    path: Path,
    **limits: int,
) -> list[Path]:
    """Write the requests of the topmost level that is left; return the files, if there are any.

    *limits* are those of `write_request_files`.
    """
    begin_describing(tree, options)
    asked: list[Asked] = []
    written = write_request_files(
        _lines(_level(tree, options, manifest), endpoint, writer, asked), path, **limits
    )
    if asked:
        told = [asdict(each) for each in asked]
        files = [str(each.resolve()) for each in written]
        manifest.add({"asked": told, "files": files, "mark": secrets.token_hex(8)})
    return written


def _level(tree: EditableTree, options: DescribeOptions, manifest: Manifest) -> Iterator[Family]:
    """Yield the families of one level, without those that are waited for."""
    waiting = {key for each in manifest.waiting.values() for key in each.keys}

    def wanted(node: Node) -> bool:
        tried = manifest.vain[node.id] >= ATTEMPTS
        return node.id not in waiting and not tried and options.wants(node)

    level = None
    if waiting:
        # The level below would be told what its branches were, and not what they will be.
        level = min(tree.node(key).depth for key in waiting if tree.node_states([key]))
    for family in wanted_families(tree, options, wanted):
        depth = next(iter(family.nodes.values())).depth
        level = depth if level is None else level
        if depth > level:
            return
        yield family


def _lines(
    found: Iterable[Family], endpoint: FileEndpoint, writer: PromptWriter, asked: list[Asked]
) -> Iterator[str]:
    for family in found:
        for question in writer.sibling_windows(family.question):
            request = writer.siblings_request(question)
            line = json.dumps(endpoint.body_of(request), sort_keys=True)
            digest = hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()[:12]
            keys = tuple(each.key for each in question.choices)
            name = f"describe-{keys[0]}-{digest}"
            moved = tuple(family.nodes[key].moved for key in keys)
            asked.append(Asked(name, keys, moved, request.max_output))
            yield request_line(name, endpoint.body_of(request))


def import_results(
    tree: EditableTree,
    endpoint: FileEndpoint,
    writer: PromptWriter,
    manifest: Manifest,
    paths: Sequence[Path],
    on_answer: OnAnswer = lambda reply: None,
) -> ImportReport:
    """Write the summaries in files of results; each in a transaction, and once.

    *on_answer* is told of every answer that was paid for.

    Raises:
        StoreError: a file cannot be read, or the tree cannot be changed.
    """
    report = ImportReport()
    describer = f"{endpoint.model} at {endpoint.name}"
    for path in paths:
        for line in _results(path):
            asked = manifest.waiting.get(str(line.get("custom_id")))
            if asked is None:
                report.foreign += 1
                continue
            try:
                reply = endpoint.read(_payload(line), asked.max_output)
            except UnillmrecError as error:
                report.problems.append(f"{asked.name}: {error.problem}")
                _note_vain(manifest, asked, asked.keys, report)
                continue
            on_answer(reply)
            reading = read_summaries(reply.text, len(asked.keys))
            kept = collect_summaries([reading], asked.keys, writer.counter)
            texts = dict(kept.texts)
            moved = dict(zip(asked.keys, asked.moved, strict=True))
            written = write_summaries(tree, describer, texts, moved)
            report.described += written
            report.gone += len(texts) - written
            report.shortened += kept.shortened
            report.dropped += kept.dropped
            report.usage += reply.usage
            _note_vain(manifest, asked, [key for key in asked.keys if key not in texts], report)
    report.waiting = len(manifest.waiting)
    return report


def _note_vain(manifest: Manifest, asked: Asked, vain: Sequence[int], report: ImportReport) -> None:
    manifest.add({"answered": asked.name, "vain": list(vain)})
    report.vain += len(vain) == len(asked.keys)


def _results(path: Path) -> Iterator[Mapping[str, object]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line)
                except ValueError as error:
                    raise StoreError(
                        f"{path}:{number} is no result of a batch: {error}.",
                        detail="What came before it is kept.",
                        remedy="download the file again.",
                    ) from error
                yield value if isinstance(value, dict) else {}
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}.") from error


def _payload(line: Mapping[str, object]) -> Mapping[str, object]:
    """Return the answer in a line of results."""
    response = line.get("response")
    response = response if isinstance(response, Mapping) else {}
    body = response.get("body")
    if response.get("status_code") != 200 or not isinstance(body, Mapping):
        told = json.dumps(line.get("error") or body, ensure_ascii=False)
        raise ReplyError(
            f"the request failed with status {response.get('status_code')}: {told:.200}"
        )
    return body
