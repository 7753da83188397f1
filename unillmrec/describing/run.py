"""Describe the nodes of a tree with a model, from the top down, siblings together.

Every answer is written at once, in a transaction of its own, so that nothing that was paid for
is lost: after a kill the next run continues with the nodes that are left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal, TypeAlias

from unillmrec.describing.questions import sibling_question
from unillmrec.endpoint import FATAL_FAILURES, CallError, Request, usage_of
from unillmrec.errors import SettingsError, StoreError, UnillmrecError
from unillmrec.judge import Dropped, PromptWriter
from unillmrec.judge.sibling_questions import Describer, SiblingsQuestion, Summaries
from unillmrec.store import ROOT, STALE_SHARE, EditableTree, ItemTree, Node, NodeState
from unillmrec.store.survey import branch_ids
from unillmrec.tree.descriptions import Description
from unillmrec.usage import Usage

Which: TypeAlias = Literal["missing", "stale", "all"]
OnAnswer: TypeAlias = Callable[[Summaries], None]
OnProgress: TypeAlias = Callable[[int], None]

# After so many failed calls in a row the endpoint is considered down.
MAX_FAILURES_IN_A_ROW = 3
# Another writer may hold the file longer than one attempt waits, and the answer is paid for.
ATTEMPTS = 6
# The tree's fact with the levels that are being rewritten, until that is finished.
REWRITING = "rewriting"
EVERY_LEVEL = -1


@dataclass(frozen=True, slots=True)
class DescribeOptions:
    """Which nodes to describe.

    *which* selects nodes without a summary, nodes whose summary is stale, or all nodes. A summary
    is stale when more than *share* of the node's items changed since it was written. *depth* is
    the deepest level, *most* the largest number of nodes.
    """

    which: Which = "missing"
    share: float = STALE_SHARE
    depth: int | None = None
    most: int | None = None

    def __post_init__(self) -> None:
        if not self.share >= 0:
            raise SettingsError(f"the share is {self.share}; it must not be negative.")
        for name in ("depth", "most"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise SettingsError(f"{name} is {value}; it must be at least 1.")

    @property
    def deepest(self) -> int:
        """The deepest level, as a number that can be stored."""
        return EVERY_LEVEL if self.depth is None else self.depth

    def wants(self, node: Node) -> bool:
        """Return whether to describe a node."""
        if not node.description.summary:
            return self.which != "stale"
        if self.which == "all":
            # The run marked all nodes to rewrite as stale when it began.
            return node.stale >= node.size
        return self.which == "stale" and node.is_stale(self.share)


@dataclass(frozen=True, slots=True)
class DescribePlan:
    """What a run would send; *families* counts groups of siblings, *first* is its first request."""

    nodes: int
    families: int
    usage: Usage
    first: Request | None


@dataclass(frozen=True, slots=True)
class SkippedNode:
    """A node that got no summary, and why; it keeps its words."""

    node: int
    label: str
    reason: str


@dataclass(slots=True)
class DescribeReport:
    """What a run did.

    *questions* counts the questions that were answered, *gone* the nodes that had left the tree
    before their summary was written, *shortened* the summaries that were too long. *stopped* is
    the error that ended the run early; *finished* is false if it, or *most*, left nodes out.
    """

    describer: str
    questions: int = 0
    described: int = 0
    gone: int = 0
    shortened: int = 0
    undescribed: list[SkippedNode] = field(default_factory=list)
    dropped: Dropped = field(default_factory=Dropped)
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    finished: bool = False
    stopped: UnillmrecError | None = None


def plan_describing(tree: ItemTree, writer: PromptWriter, options: DescribeOptions) -> DescribePlan:
    """Return what `describe` would send, from its real prompts; nothing is sent."""
    nodes = families = calls = prompt = completion = 0
    first = None
    # A run that rewrites everything has not marked the nodes yet.
    marked = options.which != "all" or tree.facts.get(REWRITING) == options.deepest
    for group in sibling_groups(tree, options, options.wants if marked else lambda node: True):
        nodes += len(group.nodes)
        families += 1
        for question in writer.sibling_windows(group.question):
            request = writer.siblings_request(question)
            first = first or request
            estimate = writer.estimate(request)
            calls, prompt, completion = calls + 1, prompt + estimate[0], completion + estimate[1]
    usage = Usage(calls, None, None, None, None, prompt, completion)
    return DescribePlan(nodes, families, usage, first)


def describe(
    tree: EditableTree,
    describer: Describer,
    options: DescribeOptions | None = None,
    *,
    on_answer: OnAnswer = lambda summaries: None,
    on_progress: OnProgress = lambda nodes: None,
) -> DescribeReport:
    """Let *describer* write the summaries of *tree*, from the top down, siblings together.

    *on_answer* gets every answer and every failed call, *on_progress* the number of nodes that
    were just finished. A failed call leaves its nodes as they are; a failure that would happen
    again ends the run. The report has both.

    Raises:
        StoreError: the tree cannot be changed.
    """
    options = options or DescribeOptions()
    begin_describing(tree, options)
    run = _DescribeRun(tree, describer, options, on_answer, on_progress)
    run.run()
    if run.report.finished:
        end_describing(tree, options)
    return run.report


def begin_describing(tree: EditableTree, options: DescribeOptions) -> None:
    """Mark all nodes to rewrite, unless an earlier run that was cut short has marked them."""
    if options.which == "all" and tree.facts.get(REWRITING) != options.deepest:
        _mark_all(tree, options)


def end_describing(tree: EditableTree, options: DescribeOptions) -> None:
    """Record that rewriting all summaries is finished, if that was the option."""
    if options.which == "all":
        with tree.transaction():
            tree.facts[REWRITING] = None


def _mark_all(tree: EditableTree, options: DescribeOptions) -> None:
    """Mark all summaries as stale, so that after a kill the next run knows what is left."""
    with tree.transaction():
        tree.mark_summaries_stale(options.depth)
        tree.facts[REWRITING] = options.deepest


@dataclass(frozen=True, slots=True)
class SiblingGroup:
    """A question about siblings, with the nodes as they were when it was written."""

    question: SiblingsQuestion
    nodes: dict[int, Node]


def sibling_groups(
    tree: ItemTree, options: DescribeOptions, wants: Callable[[Node], bool]
) -> Iterator[SiblingGroup]:
    """Yield the siblings to describe, from the top of the tree down."""
    left = options.most
    for parent in branch_ids(tree, options.depth):
        # Read now, for other processes may have changed or described the tree meanwhile.
        children = tree.children(parent)
        nodes = {child.id: child for child in children if wants(child)}
        if left is not None:
            nodes = dict(islice(nodes.items(), left))
            left -= len(nodes)
        if nodes:
            path = [] if parent == ROOT else tree.ancestors(parent)
            yield SiblingGroup(sibling_question(path, children, nodes), nodes)


class _DescribeRun:
    """One run of `describe`."""

    def __init__(
        self,
        tree: EditableTree,
        describer: Describer,
        options: DescribeOptions,
        on_answer: OnAnswer,
        on_progress: OnProgress,
    ) -> None:
        self.report = DescribeReport(describer.name)
        self._tree = tree
        self._describer = describer
        self._on_answer = on_answer
        self._on_progress = on_progress
        self._options = options
        self._failures = 0
        self._pending: dict[Future[Summaries], SiblingGroup] = {}

    def run(self) -> None:
        """Ask about one group after the other, several at a time, and write the answers."""
        started = time.monotonic()
        at_once = max(1, self._describer.at_once)
        executor = ThreadPoolExecutor(at_once, thread_name_prefix="unillmrec")
        questions = self._questions()
        try:
            while True:
                if self.report.stopped is None:
                    # The first call goes alone, to find a wrong key or option with one request.
                    limit = at_once if self.report.questions else 1
                    for group in islice(questions, limit - len(self._pending)):
                        future = executor.submit(self._describer.summaries, group.question)
                        self._pending[future] = group
                if not self._pending:
                    break
                for future in wait(self._pending, return_when=FIRST_COMPLETED).done:
                    self._process(future, ATTEMPTS)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
            # Write the answers that have arrived even after an error: they are paid for.
            for future in [each for each in self._pending if each.done()]:
                self._process(future, 1)
            self.report.seconds = time.monotonic() - started
        self.report.finished = self.report.stopped is None and self._all_asked()

    def _all_asked(self) -> bool:
        done = self.report.described + self.report.gone + len(self.report.undescribed)
        return self._options.most is None or done < self._options.most

    def _questions(self) -> Iterator[SiblingGroup]:
        for group in sibling_groups(self._tree, self._options, self._options.wants):
            for question in self._describer.windows(group.question):
                nodes = {each.key: group.nodes[each.key] for each in question.choices}
                yield SiblingGroup(question, nodes)

    def _process(self, future: Future[Summaries], attempts: int) -> None:
        """Write an answer, or record why there is none."""
        group = self._pending[future]
        if not future.cancelled():
            error = future.exception()
            if error is None:
                self._write(group, future.result(), attempts)
            elif isinstance(error, UnillmrecError):
                self._record_failure(group, error)
            else:
                raise error
        del self._pending[future]

    def _write(self, group: SiblingGroup, summaries: Summaries, attempts: int) -> None:
        texts = dict(summaries.texts)
        moved = {each.id: each.moved for each in group.nodes.values()}
        written = write_summaries(self._tree, self._describer.name, texts, moved, attempts)
        self._failures = 0
        report = self.report
        report.questions += 1
        report.described += written
        report.gone += len(texts) - written
        report.shortened += summaries.shortened
        report.dropped += summaries.dropped
        report.usage += summaries.usage
        self._record_skipped([group.nodes[each] for each in group.nodes.keys() - texts.keys()], "")
        self._on_answer(summaries)
        self._on_progress(len(group.nodes))

    def _record_failure(self, group: SiblingGroup, error: UnillmrecError) -> None:
        self.report.usage += usage_of(error)
        if exchanges := error.exchanges:
            self._on_answer(Summaries((), usage=usage_of(error), exchanges=exchanges))
        self._failures += 1
        fatal = isinstance(error, CallError) and error.kind in FATAL_FAILURES
        if fatal or self._failures >= MAX_FAILURES_IN_A_ROW:
            self.report.stopped = self.report.stopped or error
        self._record_skipped(list(group.nodes.values()), error.problem)
        self._on_progress(len(group.nodes))

    def _record_skipped(self, nodes: list[Node], reason: str) -> None:
        """Report nodes that keep their old description."""
        self.report.undescribed += [
            SkippedNode(node.id, node.description.label, reason or "the answer has no line for it")
            for node in sorted(nodes, key=lambda each: each.id)
        ]


def write_summaries(
    tree: EditableTree,
    describer: str,
    texts: Mapping[int, str],
    moved: Mapping[int, int],
    attempts: int = ATTEMPTS,
) -> int:
    """Write summaries in one transaction; return how many of the nodes still exist.

    *moved* is the count of moved items that each node had when its question was written.

    Raises:
        StoreError: the file cannot be changed, after several attempts.
    """
    for attempt in range(1, attempts + 1):
        try:
            with tree.transaction():
                states = tree.node_states(list(texts))
                tree.set_descriptions(
                    (
                        _with_summary(state.description, texts[state.id]),
                        _changes_since(moved[state.id], state),
                        state.id,
                    )
                    for state in states.values()
                )
                tree.facts["described_by"] = describer
            return len(states)
        except StoreError:
            if attempt == attempts:
                raise
    return 0


def _changes_since(moved: int, state: NodeState) -> int:
    """Return how many items moved since the question was written, which its summary misses."""
    # A rebuild in the meantime reset the count, so that all items may be others.
    return state.size if state.moved < moved else state.moved - moved


def _with_summary(description: str, summary: str) -> str:
    return replace(Description.from_json(description), summary=summary).to_json()
