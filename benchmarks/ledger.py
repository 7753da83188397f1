"""Does the usage log match what the server billed, whatever goes wrong on the way?"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.results import save
from unillmrec import ItemTree, OpenAIEndpoint, Options, Recommender, build, read_catalog
from unillmrec.building import BuildOptions
from unillmrec.demo import books
from unillmrec.demo.walkthrough import BOUNDS
from unillmrec.endpoint import RetryPolicy
from unillmrec.errors import UnillmrecError
from unillmrec.judge import LanguageModelJudge, SimilarityJudge
from unillmrec.judge.from_settings import build_writer
from unillmrec.settings import Settings
from unillmrec.stages import Person
from unillmrec.testing import DIALECTS, FakeServer, Fault, FaultKind
from unillmrec.usage_log import LoggedEndpoint, UsageLog, read_log

RUNS = 200
QUESTION = "Does the usage log come to the server's own count, to the token?"
JUDGE = "the fake server's sensible answers; no model"
STATUSES = (400, 404, 408, 409, 422, 429, 500, 502, 503, 529)
# What stops a run at once is drawn seldom, or no run would get far.
FINAL = (401, 402, 403)
KINDS = tuple(
    kind for kind in FaultKind if kind not in (FaultKind.STATUS, FaultKind.REFUSE, FaultKind.DRIP)
)


@dataclass(frozen=True, slots=True)
class Checked:
    """One run: the server's counts, the log's counts, and the differences."""

    faults: Counter[str]
    billed: int
    unreported: int
    differences: tuple[str, ...]


def run(data: Path) -> None:
    """Run two hundred times with random faults, and compare log and server."""
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "books.tree")
        with books() as catalog:
            build(read_catalog(catalog), path, BuildOptions(bounds=BOUNDS, workers=1))
        runs = [checked(path, seed) for seed in range(RUNS)]
    different = [(seed, each.differences) for seed, each in enumerate(runs) if each.differences]
    for seed, differences in different:
        print(seed, *differences, sep="\n  ")
    faults = sum((each.faults for each in runs), Counter[str]())
    row = {
        "runs": len(runs),
        "answers billed": sum(each.billed for each in runs),
        "of them without a count": sum(each.unreported for each in runs),
        "faults": faults.total(),
        "kinds of faults": len(faults),
        "runs whose log differs": len(different),
    }
    seconds = round(time.process_time() - started)
    notes = {"judge": JUDGE, "faults": faults, "cpu_seconds": seconds}
    save("ledger", QUESTION, [row], seed=f"0 to {RUNS - 1}, one a run", **notes)


def checked(path: Path, seed: int) -> Checked:
    """Serve a few people and embed some texts with random faults; compare log and server."""
    chance = random.Random(seed)
    dialect = chance.choice(sorted(DIALECTS))
    happened: Counter[str] = Counter()
    log_file = path.with_name(f"{seed}.usage")
    with FakeServer(dialect=dialect, faults=_faults(chance, happened)) as server:
        endpoint = OpenAIEndpoint(
            server.model,
            base_url=server.base_url,
            api_key="",
            retry_policy=RetryPolicy(attempts=chance.choice((1, 3, 5))),
            sleep=lambda seconds: None,
            environ={},
        )
        with endpoint, UsageLog(log_file, command="bench", tree=path, warn=print) as log:
            logged = LoggedEndpoint(endpoint, log)
            _work(path, logged, chance)
    return Checked(
        happened,
        server.billed.calls,
        server.billed.calls - server.reported.calls,
        tuple(_differences(log_file, server)),
    )


def _faults(chance: random.Random, happened: Counter[str]) -> Callable[[int], Fault | None]:
    rate = chance.choice((0.0, 0.05, 0.2, 0.5))

    def fault(number: int) -> Fault | None:
        if chance.random() >= rate:
            return None
        kind = chance.choice((*KINDS, FaultKind.STATUS, FaultKind.STATUS, FaultKind.REFUSE))
        if kind is FaultKind.STATUS:
            status = chance.choice(FINAL if chance.random() < 0.02 else STATUSES)
            happened[f"status {status}"] += 1
            return Fault.status(status)
        happened[str(kind)] += 1
        if kind is FaultKind.REFUSE:
            return Fault.refuse(chance.choice(("response_format", "max_completion_tokens")))
        return Fault(kind, seconds=0.01)

    return fault


def _work(path: Path, logged: LoggedEndpoint, chance: random.Random) -> None:
    with ItemTree.open(path) as tree:
        judge = LanguageModelJudge(logged, build_writer(Settings()), SimilarityJudge(tree))
        ids = [each.item.id for each in tree.items_by_number(range(0, len(tree), 7)).values()]
        people = [Person(tuple(chance.sample(ids, 4)), label=f"p{n}") for n in range(3)]
        options = Options(leaves=chance.choice((2, 6)), shown=40, candidates=15)

        def serve(person: Person) -> None:
            with suppress(UnillmrecError):
                Recommender(tree, judge).recommend_to(person, options)

        def embed(count: int) -> None:
            with suppress(UnillmrecError):
                logged.embed([f"text number {number}" for number in range(count)])

        with ThreadPoolExecutor(4) as threads:
            waiting: Sequence[Any] = [threads.submit(serve, person) for person in people]
            waiting = [*waiting, threads.submit(embed, chance.choice((3, 200, 300)))]
            for each in waiting:
                each.result()


def _differences(log_file: Path, server: FakeServer) -> list[str]:
    """Describe where the log and the server's own count differ."""
    sums = {by: read_log(log_file, by) for by in ("stage", "run", "model", "day", "person")}
    _, total = sums["stage"]
    usage, billed, reported = total.usage, server.billed, server.reported
    found = []
    if usage.calls != billed.calls:
        found.append(f"{usage.calls} answers logged, {billed.calls} billed")
    for name in ("prompt", "completion"):
        known, counted = getattr(usage, f"known_{name}"), getattr(reported, name)
        if known != counted:
            found.append(f"{known} {name} tokens logged, {counted} reported")
    missing = billed.calls - reported.calls
    if (usage.prompt is None) != bool(missing):
        found.append(f"{missing} answers had no count, and the sum is {usage.prompt}")
    for by, (parts, whole) in sums.items():
        if sum((part.usage for part in parts), type(usage)()) != whole.usage:
            found.append(f"the lines by {by} do not add up")
    return found
