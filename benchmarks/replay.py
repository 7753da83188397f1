"""Does a recorded run come out the same to the byte without a network, and how fast?"""

from __future__ import annotations

import hashlib
import json
import random
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.datasets import SEED, load_with_people
from benchmarks.results import save
from unillmrec import BuildOptions, ItemTree, LanguageModelJudge, OpenAIEndpoint, Recommender, build
from unillmrec.endpoint import Endpoint
from unillmrec.endpoint.wrappers.cache import AnswerCache, CachedEndpoint
from unillmrec.endpoint.wrappers.recording import Recording, RecordingEndpoint, ReplayedEndpoint
from unillmrec.judge import SimilarityJudge
from unillmrec.judge.from_settings import build_writer
from unillmrec.settings import Settings
from unillmrec.testing import FakeServer
from unillmrec.testing.faults import by_rate

QUESTION = __doc__
SET = "ml-1m"
PEOPLE = 123
ORDERED_BY = 7
AT_ONCE = 16
FAULTS = (("503", 0.02), ("drop", 0.01), ("null-content", 0.02), ("ignore-schema", 0.02))
KEY = "sk-a-key-that-must-not-be-found"


def run(data: Path) -> None:
    """Record a run with faults, replay it, and repeat it from a cache."""
    found = load_with_people(data, SET, PEOPLE)
    histories = [tuple(found.items[place].id for place in each.history) for each in found.people]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(found.items, folder / "tree", BuildOptions(workers=1))
        with ItemTree.open(folder / "tree") as tree:
            rows = _measured(tree, histories, folder)
    save(
        "replay",
        QUESTION,
        rows,
        seed=(SEED, ORDERED_BY),
        judge="fake server with faults (no language model)",
    )


def _measured(
    tree: ItemTree, histories: Sequence[tuple[str, ...]], folder: Path
) -> list[dict[str, Any]]:
    rows = []
    cache = AnswerCache(folder / "answers.cache", print)
    with (
        FakeServer(seconds=(0.01, 0.05), faults=by_rate(FAULTS, 7), prefix_cache=64) as server,
        OpenAIEndpoint("fake-model", base_url=server.base_url, api_key=KEY) as endpoint,
    ):
        recording = Recording(folder / "run.jsonl", {"model": endpoint.model, "run": "recorded"})
        cached = CachedEndpoint(endpoint, cache, endpoint.identity)
        first, row = _recommended(tree, RecordingEndpoint(cached, recording), histories)
        recording.close()
        rows.append({"run": "recorded", "requests": server.received, **row, "same": ""})
    content = (folder / "run.jsonl").read_bytes()
    answers = content.count(b"\n") - 1
    for run in ("replayed", "replayed, people shuffled"):
        order = list(range(len(histories)))
        if "shuffled" in run:
            random.Random(ORDERED_BY).shuffle(order)
        replayed = ReplayedEndpoint(folder / "run.jsonl")
        # What was recorded was asked at another address, which is a part of no answer.
        replayed.name = endpoint.name
        with _no_sockets():
            again, row = _recommended(tree, replayed, histories, order)
        rows.append({"run": run, "requests": 0, **row, "same": first == again})
    cache.close()
    for row in rows:
        row |= {"answers": answers, "key in recording": KEY.encode() in content}
    return rows


def _recommended(
    tree: ItemTree,
    endpoint: Endpoint,
    histories: Sequence[tuple[str, ...]],
    order: Sequence[int] = (),
) -> tuple[str, dict[str, Any]]:
    """Recommend to everybody concurrently; return a digest of all output, and the time."""
    judge = LanguageModelJudge(endpoint, build_writer(Settings()), SimilarityJudge(tree), at_once=4)
    recommender = Recommender(tree, judge)

    def line(place: int) -> tuple[int, str]:
        report = recommender.recommend(histories[place], limit=10).as_dict()
        # The one thing that no two runs measure alike.
        del report["seconds"]
        return place, json.dumps(report, ensure_ascii=False)

    began, spent = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        lines = sorted(pool.map(line, order or range(len(histories))))
    text = "\n".join(each for _, each in lines)
    return hashlib.sha256(text.encode()).hexdigest(), {
        "people": len(lines),
        "seconds": round(time.perf_counter() - began, 2),
        "CPU seconds": round(time.process_time() - spent, 2),
    }


@contextmanager
def _no_sockets() -> Iterator[None]:
    """Refuse every connection."""
    connect = socket.socket.connect

    def refused(*arguments: object) -> None:
        raise AssertionError("a replay has opened a connection")

    socket.socket.connect = refused  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        socket.socket.connect = connect  # type: ignore[method-assign]
