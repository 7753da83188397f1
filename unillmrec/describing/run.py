"""Describe a whole tree with a model: which nodes, in which order, each answer kept at once.

An answer that was paid for is written, in a transaction of its own, as soon as it is there: a
run that is killed goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal, TypeAlias

from unillmrec.describing.questions import family_question
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
Told: TypeAlias = Callable[[int], None]

# So many failed calls in a row, and the endpoint is taken to be down.
PATIENCE = 3
# Another writer may hold the file for longer than one attempt waits; the answer is paid for.
ATTEMPTS = 6
# The fact that says which levels are being rewritten, until all of them are.
REWRITING = "rewriting"
EVERY_LEVEL = -1


@dataclass(frozen=True, slots=True)
class DescribeOptions:
    """Which nodes are described.

    *which* are those without a summary, those whose summary is *stale*, or all. A summary is
    stale when more than *share* of its items changed since it was written. *depth* is the
    lowest level, *most* the largest number of nodes.
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
    def lowest(self) -> int:
        """The lowest level, as a number that can be kept."""
        return EVERY_LEVEL if self.depth is None else self.depth

    def wants(self, node: Node) -> bool:
        """Return whether a node is to be described."""
        if not node.description.summary:
            return self.which != "stale"
        if self.which == "all":
            # All that are to be rewritten were marked when the run began.
            return node.stale >= node.size
        return self.which == "stale" and node.is_stale(self.share)


@dataclass(frozen=True, slots=True)
class DescribePlan:
    """What a run would do and cost; *first* is the first request it would send."""

    nodes: int
    families: int
    usage: Usage
    first: Request | None


@dataclass(frozen=True, slots=True)
class Undescribed:
    """A node that was asked about in vain, and why; it keeps the words it had."""

    node: int
    label: str
    reason: str


@dataclass(slots=True)
class DescribeReport:
    """What a run did.

    *questions* counts those that were answered, *gone* the nodes that were no longer in the
    tree when their line came, *shortened* the lines that were too long. *stopped* is the error
    that ended the run before its end; *finished* says that no node was left out for *most*.
    """

    describer: str
    questions: int = 0
    described: int = 0
    gone: int = 0
    shortened: int = 0
    undescribed: list[Undescribed] = field(default_factory=list)
    dropped: Dropped = field(default_factory=Dropped)
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    finished: bool = False
    stopped: UnillmrecError | None = None


def plan_describing(tree: ItemTree, writer: PromptWriter, options: DescribeOptions) -> DescribePlan:
    """Write every prompt of a run, count it, and send none."""
    nodes = families = calls = prompt = completion = 0
    first = None
    # Before such a run begins, nothing is marked yet.
    marked = options.which != "all" or tree.facts.get(REWRITING) == options.lowest
    for family in wanted_families(tree, options, options.wants if marked else lambda node: True):
        nodes += len(family.nodes)
        families += 1
        for question in writer.sibling_windows(family.question):
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
    told: Told = lambda nodes: None,
) -> DescribeReport:
    """Let *describer* write the summaries of *tree*, from the top down, siblings together.

    *on_answer* is told of every answer, and of the calls that failed, *told* of how many more
    nodes are done with. A failed call leaves its nodes as they are; what would fail again ends
    the run. Both stand in the report.

    Raises:
        StoreError: the tree cannot be changed.
    """
    options = options or DescribeOptions()
    begin_describing(tree, options)
    run = _Run(tree, describer, options, on_answer, told)
    run.work()
    if run.report.finished:
        end_describing(tree, options)
    return run.report


def begin_describing(tree: EditableTree, options: DescribeOptions) -> None:
    """Mark what is to be rewritten, if all is and nobody has begun with it."""
    if options.which == "all" and tree.facts.get(REWRITING) != options.lowest:
        _mark_all(tree, options)


def end_describing(tree: EditableTree, options: DescribeOptions) -> None:
    """Note that all has been rewritten, if that was what was wanted."""
    if options.which == "all":
        with tree.transaction():
            tree.facts[REWRITING] = None


def _mark_all(tree: EditableTree, options: DescribeOptions) -> None:
    """Mark what is to be rewritten as stale, so that a run that is killed knows what is left."""
    with tree.transaction():
        tree.mark_summaries_stale(options.depth)
        tree.facts[REWRITING] = options.lowest


@dataclass(frozen=True, slots=True)
class Family:
    """A question about siblings, or a part of it, with the nodes as they were then."""

    question: SiblingsQuestion
    nodes: dict[int, Node]


def wanted_families(
    tree: ItemTree, options: DescribeOptions, wants: Callable[[Node], bool]
) -> Iterator[Family]:
    """Yield what there is to ask, from the top of the tree down."""
    left = options.most
    for parent in branch_ids(tree, options.depth):
        # The tree is read as it is now: others may have changed or described it meanwhile.
        children = tree.children(parent)
        nodes = {child.id: child for child in children if wants(child)}
        if left is not None:
            nodes = dict(islice(nodes.items(), left))
            left -= len(nodes)
        if nodes:
            way = [] if parent == ROOT else tree.ancestors(parent)
            yield Family(family_question(way, children, nodes), nodes)


class _Run:
    """One run on its way."""

    def __init__(
        self,
        tree: EditableTree,
        describer: Describer,
        options: DescribeOptions,
        on_answer: OnAnswer,
        told: Told,
    ) -> None:
        self.report = DescribeReport(describer.name)
        self._tree = tree
        self._describer = describer
        self._on_answer = on_answer
        self._told = told
        self._options = options
        self._failures = 0
        self._waiting: dict[Future[Summaries], Family] = {}

    def work(self) -> None:
        """Ask about family after family, several at a time, and write down what comes."""
        started = time.monotonic()
        at_once = max(1, self._describer.at_once)
        executor = ThreadPoolExecutor(at_once, thread_name_prefix="unillmrec")
        parts = self._parts()
        try:
            while True:
                if self.report.stopped is None:
                    # What a server does not take, or a wrong key, is found out with one call.
                    limit = at_once if self.report.questions else 1
                    for part in islice(parts, limit - len(self._waiting)):
                        future = executor.submit(self._describer.summaries, part.question)
                        self._waiting[future] = part
                if not self._waiting:
                    break
                for future in wait(self._waiting, return_when=FIRST_COMPLETED).done:
                    self._take(future, ATTEMPTS)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
            # Whatever broke this off, an answer that is there was paid for.
            for future in [each for each in self._waiting if each.done()]:
                self._take(future, 1)
            self.report.seconds = time.monotonic() - started
        self.report.finished = self.report.stopped is None and self._all_asked()

    def _all_asked(self) -> bool:
        done = self.report.described + self.report.gone + len(self.report.undescribed)
        return self._options.most is None or done < self._options.most

    def _parts(self) -> Iterator[Family]:
        for family in wanted_families(self._tree, self._options, self._options.wants):
            for question in self._describer.windows(family.question):
                nodes = {each.key: family.nodes[each.key] for each in question.choices}
                yield Family(question, nodes)

    def _take(self, future: Future[Summaries], attempts: int) -> None:
        """Write an answer down, or note why there is none."""
        part = self._waiting[future]
        if not future.cancelled():
            error = future.exception()
            if error is None:
                self._keep(part, future.result(), attempts)
            elif isinstance(error, UnillmrecError):
                self._give_up(part, error)
            else:
                raise error
        del self._waiting[future]

    def _keep(self, part: Family, summaries: Summaries, attempts: int) -> None:
        texts = dict(summaries.texts)
        moved = {each.id: each.moved for each in part.nodes.values()}
        written = write_summaries(self._tree, self._describer.name, texts, moved, attempts)
        self._failures = 0
        report = self.report
        report.questions += 1
        report.described += written
        report.gone += len(texts) - written
        report.shortened += summaries.shortened
        report.dropped += summaries.dropped
        report.usage += summaries.usage
        self._leave([part.nodes[each] for each in part.nodes.keys() - texts.keys()], "")
        self._on_answer(summaries)
        self._told(len(part.nodes))

    def _give_up(self, part: Family, error: UnillmrecError) -> None:
        self.report.usage += usage_of(error)
        if exchanges := error.exchanges:
            self._on_answer(Summaries((), usage=usage_of(error), exchanges=exchanges))
        self._failures += 1
        hopeless = isinstance(error, CallError) and error.kind in FATAL_FAILURES
        if hopeless or self._failures >= PATIENCE:
            self.report.stopped = self.report.stopped or error
        self._leave(list(part.nodes.values()), error.problem)
        self._told(len(part.nodes))

    def _leave(self, nodes: list[Node], reason: str) -> None:
        """Note that nodes keep what they had."""
        self.report.undescribed += [
            Undescribed(node.id, node.description.label, reason or "the answer has no line for it")
            for node in sorted(nodes, key=lambda each: each.id)
        ]


def write_summaries(
    tree: EditableTree,
    describer: str,
    texts: Mapping[int, str],
    moved: Mapping[int, int],
    attempts: int = ATTEMPTS,
) -> int:
    """Write summaries in one transaction; return how many of the nodes are still there.

    *moved* is what each node's count of changes was when the question was written.

    Raises:
        StoreError: the file cannot be changed, however often it is tried.
    """
    for attempt in range(1, attempts + 1):
        try:
            with tree.transaction():
                states = tree.node_states(list(texts))
                tree.set_descriptions(
                    (
                        _with_summary(state.description, texts[state.id]),
                        _moved_since(moved[state.id], state),
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


def _moved_since(moved: int, state: NodeState) -> int:
    """Return how many items came and went since the question was written: its line is older."""
    # One that was grown anew in the meantime counts from there, and may hold anything.
    return state.size if state.moved < moved else state.moved - moved


def _with_summary(description: str, summary: str) -> str:
    return replace(Description.from_json(description), summary=summary).to_json()
