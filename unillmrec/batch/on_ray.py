"""The same batch on a Ray cluster: people go out to workers, lists and answers come back.

The process that was started keeps the journal and writes the output, as always. One actor
beside it holds what all workers share: how many calls may be under way, what may be spent, and
the file that every answer is written to before a worker goes on.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from unillmrec.batch.journal import ANSWERS, reply_as_json
from unillmrec.batch.person_runner import Made, Over, PersonRunner
from unillmrec.batch.runner import Batch, BatchOptions
from unillmrec.batch.workers import GRACE_SECONDS, Take
from unillmrec.budget import Budget, BudgetTracker, Limit, Reservation
from unillmrec.building.backends import RAY_CORES, running_ray, start_ray
from unillmrec.endpoint import CallError, Endpoint, FailureKind, OpenAIEndpoint, Reply
from unillmrec.errors import (
    BatchError,
    BudgetError,
    PersonError,
    ReplyError,
    UnillmrecError,
)
from unillmrec.judge import Judge
from unillmrec.judge.from_settings import find_price
from unillmrec.judge.registry import build_judge
from unillmrec.judge.voting import Votes
from unillmrec.people.people_file import PersonRow
from unillmrec.prices import Price
from unillmrec.settings import Settings
from unillmrec.store import ItemTree
from unillmrec.usage import Stage
from unillmrec.usage_log import LoggedEndpoint, UsageLog, log_path

Sort: TypeAlias = Literal["person", "budget", "batch", "reply", "call", "other"]


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker needs to begin; the tree is opened to read, under the same name everywhere."""

    tree: str
    settings: Settings
    options: BatchOptions
    votes: Votes
    seconds: float | None
    run: str


@dataclass(frozen=True, slots=True)
class SerializedError:
    """An error on its way between processes."""

    sort: Sort
    problem: str
    detail: str
    remedy: str
    kind: str = ""

    @classmethod
    def of(cls, error: UnillmrecError) -> SerializedError:
        """Take down what an error says."""
        sort: Sort = "other"
        kind = ""
        if isinstance(error, BudgetError):
            sort, kind = "budget", error.limit
        elif isinstance(error, CallError):
            sort, kind = "call", str(error.kind)
        elif isinstance(error, PersonError | BatchError | ReplyError):
            sorts: dict[type[UnillmrecError], Sort] = {PersonError: "person", BatchError: "batch"}
            sort = sorts.get(type(error), "reply")
        return cls(sort, error.problem, error.detail, error.remedy, kind)

    def as_error(self) -> UnillmrecError:
        """Return the error that was taken down."""
        if self.sort == "budget":
            return BudgetError(cast("Limit", self.kind), self.problem)
        if self.sort == "call":
            call = CallError(self.problem, detail=self.detail, remedy=self.remedy)
            call.kind = FailureKind(self.kind)
            return call
        kinds = {"person": PersonError, "batch": BatchError, "reply": ReplyError}
        kind = kinds.get(self.sort, UnillmrecError)
        return kind(self.problem, detail=self.detail, remedy=self.remedy)


class SharedBudgetActor:
    """What all workers share; an actor, whose methods take turns where they do not wait."""

    def __init__(self, answers: str, at_once: int, budget: Budget, price: Price | None) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._tracker = (
            BudgetTracker(budget, price.at_most if price else None) if budget.is_set else None
        )
        self._halted = False
        # The calls that may still give something back, and who waits for that.
        self._out = 0
        self._changed = asyncio.Condition()
        # Open for as long as the actor lives.
        self._file = Path(answers).open("a", encoding="utf-8")  # noqa: SIM115

    async def begin(self) -> bool:
        """Wait until one more call may be under way; False if none may any more."""
        await self._slots.acquire()
        if self._halted:
            self._slots.release()
        return not self._halted

    async def end(self) -> None:
        """Count one call less."""
        self._slots.release()

    async def halt(self) -> None:
        """Let no new call begin."""
        async with self._changed:
            self._halted = True
            self._changed.notify_all()

    async def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    async def keep(self, line: int, stage: str, digest: str, reply: str) -> None:
        """Write an answer down; whoever waits for this knows that it survives a kill."""
        self._file.write(json.dumps([line, stage, digest, reply]) + "\n")
        self._file.flush()

    async def take(self, prompt: int, completion: int, *, again: bool = False) -> str:
        """Set a request aside, once there is room; return which limit it does not fit, if one.

        As on threads, a call is refused only when none in flight can give anything back; one
        that waits to be sent *again* cannot.
        """
        if self._tracker is None:
            return ""
        async with self._changed:
            self._out -= again
            self._changed.notify_all()
            while limit := self._missing(prompt, completion):
                if not self._out or self._halted or limit == "deadline":
                    break
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), self._tracker.seconds_left)
            self._out += again or not limit
        return limit

    def _missing(self, prompt: int, completion: int) -> str:
        assert self._tracker is not None
        try:
            self._tracker.take(prompt, completion)
        except BudgetError as error:
            return error.limit
        return ""

    async def give_back(self, prompt: int, completion: int, calls: int = 0) -> None:
        """Return what was set aside and not needed, and calls that were not sent."""
        if self._tracker is not None:
            self._tracker.give_back(prompt, completion)
            self._tracker.uncount(calls)

    async def settled(self, calls: int = 1) -> None:
        """Count calls less that may give something back."""
        async with self._changed:
            self._out -= calls
            self._changed.notify_all()


class _SharedBudgetTracker(BudgetTracker):
    """A purse whose money lies in the till."""

    def __init__(self, till: Any, seconds: float | None) -> None:
        super().__init__(Budget(seconds=seconds))
        self._till = till

    def reserve(self, prompt: int, completion: int) -> Reservation:
        """Set a request aside, once there is room for it among all workers."""
        # Not under the lock: whoever is to give something back needs it.
        self._ask(prompt, completion, again=False)
        return Reservation(self, prompt, completion)

    def reserve_retry(self, prompt: int, completion: int) -> None:
        """Set as much aside for another attempt, once there is room for it."""
        self._ask(prompt, completion, again=True)

    def _ask(self, prompt: int, completion: int, *, again: bool) -> None:
        limit = running_ray().get(self._till.take.remote(prompt, completion, again=again))
        if not limit and self.is_late:
            limit = "deadline"
            self._till.give_back.remote(prompt, completion, 1)
            if not again:
                self.settled()
        if limit:
            raise BudgetError(cast("Limit", limit), f"the budget of {limit} is spent.")

    def give_back(self, prompt: int, completion: int) -> None:
        """Return what was set aside and not needed."""
        self._till.give_back.remote(prompt, completion)

    def uncount(self, calls: int) -> None:
        """Take back calls that were not sent."""
        self._till.give_back.remote(0, 0, calls)

    def settled(self) -> None:
        """Note that a call is over."""
        self._till.settled.remote()

    def unsettled(self) -> None:
        """Note that a call goes on."""
        self._till.settled.remote(-1)


class _SharedKeeper:
    """Keeps answers in the till, and gives those that came along with a person."""

    def __init__(self, till: Any) -> None:
        self._till = till
        self._brought: dict[int, list[tuple[bytes, Reply]]] = {}
        self._lock = threading.Lock()

    def bring(self, line: int, answers: list[tuple[bytes, Reply]]) -> None:
        """Take the answers that an earlier run kept for a row."""
        with self._lock:
            self._brought[line] = answers

    def kept(self, line: int) -> list[tuple[bytes, Reply]]:
        """Return them."""
        with self._lock:
            return self._brought.pop(line, [])

    def keep(self, line: int, stage: Stage, digest: bytes, reply: Reply) -> None:
        """Have an answer written down, and wait until it is."""
        kept = self._till.keep.remote(line, str(stage), digest.hex(), reply_as_json(reply))
        running_ray().get(kept)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn among all workers."""
        if not running_ray().get(self._till.begin.remote()):
            raise BatchError("the batch is being ended.")
        try:
            yield
        finally:
            self._till.end.remote()


class Worker:
    """A desk in a process of its own; an actor that serves several people at once."""

    def __init__(self, seat: WorkerConfig, till: Any) -> None:
        settings = seat.settings
        path = Path(seat.tree)
        tree = ItemTree.open(path)
        where = log_path(path, settings.usage_log)
        log = UsageLog(where, command="batch", tree=path, warn=lambda text: None, run=seat.run)
        self._keeper = _SharedKeeper(till)

        def judge_over(over: Over) -> Judge:
            def wrapped(endpoint: OpenAIEndpoint) -> Endpoint:
                return over(LoggedEndpoint(endpoint, log, find_price(settings)))

            return build_judge(tree, settings, wrap=wrapped, votes=seat.votes)

        self._desk = PersonRunner(
            tree,
            self._keeper,
            seat.options.recommend,
            judge_over=judge_over,
            where=seat.options.where,
            exclude=seat.options.exclude,
        )
        if seat.options.budget.is_set:
            self._desk.answers.tracker = _SharedBudgetTracker(till, seat.seconds)

    def serve(self, entry: PersonRow, answers: list[tuple[bytes, Reply]]) -> Made | SerializedError:
        """Recommend to the person of a row."""
        self._keeper.bring(entry.line, answers)
        try:
            return self._desk.serve(entry)
        except UnillmrecError as error:
            return SerializedError.of(error)


class OnRay:
    """Runs a batch on Ray: on the cluster at RAY_ADDRESS, or on this machine."""

    def __init__(
        self,
        batch: Batch,
        settings: Settings,
        options: BatchOptions,
        *,
        tree: Path,
        workers: int,
        votes: Votes = 1,
        price: Price | None = None,
        run: str = "",
    ) -> None:
        self._batch = batch
        self._settings = settings
        self._options = options
        self._tree = tree
        self._workers = workers
        self._votes = votes
        self._price = price
        self._run = run
        self._running: dict[Any, tuple[PersonRow, int]] = {}

    def run(self, entries: Iterator[PersonRow], take: Take) -> None:
        """Hand people to workers, each the next one as soon as it is done with one."""
        ray = start_ray(self._workers + 1, "a batch with the engine 'ray'")
        answers = self._batch.journal.path.with_name(self._batch.journal.path.name + ANSWERS)
        try:
            self._work(ray, answers, entries, take)
        except ray.exceptions.RayError as error:
            said = str(error).strip().splitlines()
            raise BatchError(
                "a Ray worker failed.",
                detail=said[-1] if said else "It left no message.",
                remedy="the same command again, which goes on where this one stopped.",
            ) from error
        finally:
            self._batch.journal.take_in(answers)

    def _work(self, ray: Any, answers: Path, entries: Iterator[PersonRow], take: Take) -> None:
        tracker = self._batch.desk.answers.tracker
        budget = tracker.budget if tracker else Budget()
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        till = (
            ray.remote(num_cpus=0, max_concurrency=1_000, scheduling_strategy=here)(
                SharedBudgetActor
            )
        ).remote(str(answers), self._settings.concurrency, budget, self._price)
        seconds = tracker.seconds_left if tracker else None
        seat = WorkerConfig(
            str(self._tree.resolve()),
            self._settings,
            self._options,
            self._votes,
            seconds,
            self._run,
        )
        each = max(1, -(-self._options.at_once // self._workers))
        worker = ray.remote(num_cpus=RAY_CORES, max_concurrency=each)(Worker)
        actors = [worker.remote(seat, till) for _ in range(self._workers)]
        try:
            self._hand_out(ray, actors, each, entries, take)
        except BaseException:
            # What is under way is paid for: its answers come in, and nothing new is asked.
            till.halt.remote()
            done, _ = (
                ray.wait(list(self._running), num_returns=len(self._running), timeout=GRACE_SECONDS)
                if self._running
                else ([], [])
            )
            with suppress(ray.exceptions.RayError):
                for future in done:
                    self._took(ray, future, take)
            raise
        finally:
            for actor in (*actors, till):
                ray.kill(actor)

    def _hand_out(
        self, ray: Any, actors: list[Any], each: int, entries: Iterator[PersonRow], take: Take
    ) -> None:
        limit = 1
        goes_on = True
        while True:
            if goes_on:
                for entry in islice(entries, limit - len(self._running)):
                    busy = [place for _, place in self._running.values()]
                    place = min(range(len(actors)), key=busy.count)
                    kept = self._batch.journal.kept(entry.line)
                    self._running[actors[place].serve.remote(entry, kept)] = (entry, place)
            if not self._running:
                return
            done, _ = ray.wait(list(self._running))
            for future in done:
                goes_on = self._took(ray, future, take) and goes_on
                limit = each * len(actors)

    def _took(self, ray: Any, future: Any, take: Take) -> bool:
        entry, _ = self._running.pop(future)
        made = ray.get(future)
        return take(entry, made.as_error() if isinstance(made, SerializedError) else made)
