"""Describe a tree through files of requests and results, which may be a day apart.

Each round is one level of the tree, the topmost that is left, because the prompts below a branch
quote its new description. A manifest beside the tree keeps what was sent, so that results find
their nodes and no request is sent twice.
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
    SiblingGroup,
    begin_describing,
    sibling_groups,
    write_summaries,
)
from unillmrec.endpoint import Reply, Request
from unillmrec.endpoint.batch_api import request_line, write_request_files
from unillmrec.errors import ReplyError, StoreError, UnillmrecError
from unillmrec.judge import Dropped, PromptWriter
from unillmrec.judge.describer import collect_summaries
from unillmrec.replies.summaries import read_summaries
from unillmrec.store import EditableTree, Node
from unillmrec.system.untrusted_json import parse_json
from unillmrec.usage import Usage

SUFFIX = ".describing"
# After so many failed attempts a node no longer delays the levels below it.
ATTEMPTS = 2

OnAnswer: TypeAlias = Callable[[Reply], None]


class FileEndpoint(Protocol):
    """The methods of an endpoint that writing requests and reading results need."""

    @property
    def model(self) -> str:
        """The name of the model at the server."""

    @property
    def name(self) -> str:
        """The name of the endpoint that reports show."""

    def body_of(self, request: Request) -> dict[str, object]:
        """Return the body of the HTTP request."""

    def read(self, payload: Mapping[str, object], max_output: int) -> Reply:
        """Return the reply in the body of an HTTP response."""


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request that was sent: its nodes, and their counts of moved items at that time."""

    name: str
    keys: tuple[int, ...]
    moved: tuple[int, ...]
    max_output: int


class Manifest:
    """The requests that were sent and not answered yet; a file beside the tree, a line an event."""

    def __init__(self, tree: Path) -> None:
        self.path = tree.with_name(tree.name + SUFFIX)
        self.waiting: dict[str, SentRequest] = {}
        self.failures: Counter[int] = Counter()
        self.mark = ""
        """The mark by which the batches of the last round are found at the endpoint."""
        self.files: dict[str, str] = {}
        """The files of the last round, each with the id of its batch, or "" before its start."""
        if self.path.exists():
            self._read()

    def _read(self) -> None:
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                event = parse_json(line)
            except ValueError:
                # A process was killed while it wrote this line, before it acted on it.
                continue
            try:
                self._apply(event)
            except (KeyError, TypeError) as error:
                raise StoreError(
                    f"{self.path}:{number} is not a line of a manifest.", remedy="remove the file."
                ) from error

    def _apply(self, event: Mapping[str, object]) -> None:
        if isinstance(sent := event.get("asked"), list):
            for each in sent:
                name, keys, moved, most = (each[n] for n in ("name", "keys", "moved", "max_output"))
                self.waiting[name] = SentRequest(name, tuple(keys), tuple(moved), most)
            self.mark = str(event.get("mark"))
            self.files |= dict.fromkeys(map(str, _list(event.get("files"))), "")
        if "answered" in event:
            self.waiting.pop(str(event["answered"]), None)
            self.failures.update(int(str(key)) for key in _list(event.get("vain")))
        if "batch" in event:
            self.files[str(event["file"])] = str(event["batch"])
        if "over" in event:
            self.files.pop(str(event["over"]), None)
            for name in _list(event.get("lost")):
                self.waiting.pop(str(name), None)

    def add(self, event: Mapping[str, object]) -> None:
        """Append an event to the file, and apply it."""
        with self.path.open("ab+") as file:
            # An incomplete line, left by a kill, must not spoil the next one.
            if file.tell() and (file.seek(-1, 2) or True) and file.read(1) != b"\n":
                file.write(b"\n")
            file.write(json.dumps(event).encode() + b"\n")
        self._apply(event)

    def clear(self) -> None:
        """Remove the file, when no answer is expected any more."""
        self.path.unlink(missing_ok=True)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


@dataclass(slots=True)
class ImportReport:
    """What importing files of results did.

    *described* nodes have a new summary, *gone* nodes have left the tree. *failed* requests gave
    no summary, *foreign* results belong to no pending request.
    """

    described: int = 0
    gone: int = 0
    shortened: int = 0
    failed: int = 0
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
    """Write the requests of the topmost level that is left; return the files that were written.

    *limits* are passed to `write_request_files`.
    """
    begin_describing(tree, options)
    sent: list[SentRequest] = []
    written = write_request_files(
        _lines(_level(tree, options, manifest), endpoint, writer, sent), path, **limits
    )
    if sent:
        requests = [asdict(each) for each in sent]
        files = [str(each.resolve()) for each in written]
        manifest.add({"asked": requests, "files": files, "mark": secrets.token_hex(8)})
    return written


def _level(
    tree: EditableTree, options: DescribeOptions, manifest: Manifest
) -> Iterator[SiblingGroup]:
    """Yield the sibling groups of one level, without nodes whose answers are pending."""
    pending = {key for each in manifest.waiting.values() for key in each.keys}

    def wanted(node: Node) -> bool:
        given_up = manifest.failures[node.id] >= ATTEMPTS
        return node.id not in pending and not given_up and options.wants(node)

    level = None
    if pending:
        # The prompts of the level below would quote descriptions that are about to change.
        level = min(tree.node(key).depth for key in pending if tree.node_states([key]))
    for group in sibling_groups(tree, options, wanted):
        depth = next(iter(group.nodes.values())).depth
        level = depth if level is None else level
        if depth > level:
            return
        yield group


def _lines(
    groups: Iterable[SiblingGroup],
    endpoint: FileEndpoint,
    writer: PromptWriter,
    sent: list[SentRequest],
) -> Iterator[str]:
    for group in groups:
        for question in writer.sibling_windows(group.question):
            request = writer.siblings_request(question)
            line = json.dumps(endpoint.body_of(request), sort_keys=True)
            digest = hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()[:12]
            keys = tuple(each.key for each in question.choices)
            name = f"describe-{keys[0]}-{digest}"
            moved = tuple(group.nodes[key].moved for key in keys)
            sent.append(SentRequest(name, keys, moved, request.max_output))
            yield request_line(name, endpoint.body_of(request))


def import_results(
    tree: EditableTree,
    endpoint: FileEndpoint,
    writer: PromptWriter,
    manifest: Manifest,
    paths: Sequence[Path],
    on_answer: OnAnswer = lambda reply: None,
) -> ImportReport:
    """Write the summaries from files of results, each once, in a transaction of its own.

    *on_answer* gets every answer that was paid for.

    Raises:
        StoreError: a file cannot be read, or the tree cannot be changed.
    """
    report = ImportReport()
    describer = f"{endpoint.model} at {endpoint.name}"
    for path in paths:
        for line in _results(path):
            sent = manifest.waiting.get(str(line.get("custom_id")))
            if sent is None:
                report.foreign += 1
                continue
            try:
                reply = endpoint.read(_payload(line), sent.max_output)
            except UnillmrecError as error:
                report.problems.append(f"{sent.name}: {error.problem}")
                _record_answer(manifest, sent, sent.keys, report)
                continue
            on_answer(reply)
            reading = read_summaries(reply.text, len(sent.keys))
            kept = collect_summaries([reading], sent.keys, writer.counter)
            texts = dict(kept.texts)
            moved = dict(zip(sent.keys, sent.moved, strict=True))
            written = write_summaries(tree, describer, texts, moved)
            report.described += written
            report.gone += len(texts) - written
            report.shortened += kept.shortened
            report.dropped += kept.dropped
            report.usage += reply.usage
            _record_answer(manifest, sent, [key for key in sent.keys if key not in texts], report)
    report.waiting = len(manifest.waiting)
    return report


def _record_answer(
    manifest: Manifest, sent: SentRequest, failed: Sequence[int], report: ImportReport
) -> None:
    manifest.add({"answered": sent.name, "vain": list(failed)})
    report.failed += len(failed) == len(sent.keys)


def _results(path: Path) -> Iterator[Mapping[str, object]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    value = parse_json(line)
                except ValueError as error:
                    raise StoreError(
                        f"{path}:{number} is not a result of a batch: {error}.",
                        detail="The results before it were imported.",
                        remedy="download the file again.",
                    ) from error
                yield value if isinstance(value, dict) else {}
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}.") from error


def _payload(line: Mapping[str, object]) -> Mapping[str, object]:
    """Return the response body in a line of results."""
    response = line.get("response")
    response = response if isinstance(response, Mapping) else {}
    body = response.get("body")
    if response.get("status_code") != 200 or not isinstance(body, Mapping):
        reason = json.dumps(line.get("error") or body, ensure_ascii=False)
        raise ReplyError(
            f"the request failed with status {response.get('status_code')}: {reason:.200}"
        )
    return body
