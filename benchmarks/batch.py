"""How near is a batch to a bare client loop, how much memory does it take, what survives a kill?"""

from __future__ import annotations

import asyncio
import csv
import gzip
import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.datasets import find
from benchmarks.results import save

QUESTION = __doc__
SET = "ml-1m"
SEED = 0
LATENCY_SECONDS = 0.05
PEOPLE = 1_000
CONCURRENCIES = ((4, 200), (8, PEOPLE), (16, 200))
SLICE = 100
MEMORY = (100, PEOPLE)
KILLS = 10
HISTORY = 40

Span = tuple[int, int]
"""The first of some people, and the first that is none of them."""


def run(data: Path) -> None:
    """Measure against a fake server in a process of its own, with a latency and no model."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="batch-", dir=data) as name:
        folder = Path(name)
        _prepare(data, folder)
        for concurrency, people in CONCURRENCIES:
            rows.append(throughput(folder, concurrency, people))
            print(rows[-1], flush=True)
        for people in MEMORY:
            rows.append(memory(folder, people))
            print(rows[-1], flush=True)
        rows.append(killed(folder))
        print(rows[-1], flush=True)
    judge = "fake server, sensible answers without a model"
    save("batch", QUESTION, rows, judge=judge, latency=LATENCY_SECONDS, set=SET, seed=SEED)


def _prepare(data: Path, folder: Path) -> None:
    from unillmrec import build, read_catalog

    build(read_catalog(find(data, SET, "items.jsonl")), folder / "films.tree")
    histories: dict[str, list[tuple[float, str]]] = defaultdict(list)
    with gzip.open(find(data, SET, "interactions.csv"), "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if float(row["rating"]) >= 4:
                histories[row["user_id"]].append((float(row["timestamp"]), row["item_id"]))
    chosen = [user for user, items in histories.items() if len(items) >= 10]
    random.Random(SEED).shuffle(chosen)
    with (folder / "people.jsonl").open("w", encoding="utf-8") as out:
        for user in chosen[:PEOPLE]:
            items = [item for _, item in sorted(histories[user])][-HISTORY:]
            out.write(json.dumps({"id": user, "history": items}) + "\n")


def throughput(folder: Path, concurrency: int, people: int) -> dict[str, Any]:
    """Run batches, and after each send the very same requests with nothing but the client.

    The two take turns, slice by slice, so that what else the machine does falls on both.
    """
    ours: Counter[str] = Counter()
    bare: Counter[str] = Counter()
    load = os.getloadavg()[0]
    for first in range(0, people, SLICE):
        with served(folder / "requests.jsonl") as server:
            ours.update(_batch(folder, server, (first, first + SLICE), concurrency))
        with served() as server:
            record = str(folder / "requests.jsonl")
            bare.update(_told(["bare", server.url, record, str(concurrency)]))
    assert ours["requests"] == bare["requests"]
    ratio = bare["seconds"] / ours["seconds"]
    return {
        "what": "throughput",
        "people": people,
        "concurrency": concurrency,
        "requests": int(ours["requests"]),
        "batch requests/s": round(ours["requests"] / ours["seconds"], 1),
        "bare requests/s": round(bare["requests"] / bare["seconds"], 1),
        "ratio": round(ratio, 3),
        "batch CPU ms/request": round(1000 * ours["cpu"] / ours["requests"], 2),
        "bare CPU ms/request": round(1000 * bare["cpu"] / bare["requests"], 2),
        "load before": round(load, 1),
    }


def memory(folder: Path, people: int) -> dict[str, Any]:
    """Return the peak of a whole process."""
    with served() as server:
        ours = _batch(folder, server, (0, people), 8)
    return {"what": "memory", "people": people, "peak MB": round(ours["megabytes"], 1)}


def killed(folder: Path) -> dict[str, Any]:
    """Kill a batch at random moments; count what the server was asked, and when."""
    chance = random.Random(SEED)
    with served(folder / "requests.jsonl") as server:
        kills = 0
        out = folder / "killed.jsonl"
        for _ in range(KILLS):
            process = _start(_command(folder, server, (0, PEOPLE), 8, out))
            _wait_for_requests(server, process)
            time.sleep(chance.uniform(0.0, 6.0))
            process.kill()
            kills += 1
            process.wait()
        _start(_command(folder, server, (0, PEOPLE), 8, out)).wait()
    with (folder / "requests.jsonl").open(encoding="utf-8") as file:
        asked = [json.loads(line) for line in file]
    again = len(asked) - len({each["digest"] for each in asked})
    lines = out.read_text(encoding="utf-8").splitlines()
    ids = Counter(json.loads(line)["id"] for line in lines)
    return {
        "what": "kills",
        "people": PEOPLE,
        "concurrency": 8,
        "kills": kills,
        "lines": len(lines),
        "missing": PEOPLE - len(ids),
        "twice": sum(count - 1 for count in ids.values()),
        "requests": len(asked),
        "asked again": again,
        "under way at the kills, at most": kills * 8,
    }


def _batch(folder: Path, server: Server, people: Span, concurrency: int) -> dict[str, Any]:
    out = folder / "out.jsonl"
    out.unlink(missing_ok=True)
    return _told(["batch", *_arguments(folder, server, people, concurrency, out)])


def _arguments(
    folder: Path, server: Server, people: Span, concurrency: int, out: Path
) -> list[str]:
    some = folder / f"people-{people[0]}-{people[1]}.jsonl"
    lines = (folder / "people.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    some.write_text("".join(lines[slice(*people)]), encoding="utf-8")
    about = ["--model", "fake-model", "--base-url", server.url, "--concurrency", str(concurrency)]
    # What is logged is measured elsewhere; here it would be a matter of the disk.
    about += ["--usage-log", "off"]
    return [str(folder / "films.tree"), str(some), "-o", str(out), "--json", *about]


def _command(folder: Path, server: Server, people: Span, concurrency: int, out: Path) -> list[str]:
    return ["-m", "unillmrec", "batch", *_arguments(folder, server, people, concurrency, out)]


def _start(arguments: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)


def _wait_for_requests(server: Server, process: subprocess.Popen[bytes]) -> None:
    before = server.count()
    while server.count() == before and process.poll() is None:
        time.sleep(0.05)


class Server:
    """A fake server in another process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.url = process.stdout.readline().strip()

    def count(self) -> int:
        """Return how many requests came in so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def served(record: Path | None = None) -> Iterator[Server]:
    """Give a server that writes down what it is asked, and when it answered."""
    command = [sys.executable, "-m", "benchmarks.batch", "serve", str(record or os.devnull)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Server(process)
    finally:
        process.communicate()


def _told(arguments: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.batch", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _serve(record: str) -> None:
    from unillmrec.testing import FakeServer
    from unillmrec.testing.wire import Answer

    lock = threading.Lock()
    with open(record, "w", encoding="utf-8") as file:

        class Recording(FakeServer):
            def respond(self, route: str, body: Any, headers: Any) -> Answer:
                answer = super().respond(route, body, headers)
                self.requests.clear()
                self.headers.clear()
                text = json.dumps(body, sort_keys=True)
                digest = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
                line = {"digest": digest, "body": body}
                with lock:
                    file.write(json.dumps(line) + "\n")
                return answer

        with Recording(seconds=LATENCY_SECONDS) as server:
            print(server.base_url, flush=True)
            for _ in sys.stdin:
                print(len(server.statuses), flush=True)


def _measured_batch(arguments: list[str]) -> None:
    import contextlib
    import io

    import openai  # noqa: F401 - what it costs to begin is not what a request costs

    from unillmrec.cli import main

    printed = io.StringIO()
    before = time.process_time()
    with contextlib.redirect_stdout(printed):
        main(["batch", *arguments])
    told = json.loads(printed.getvalue())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    calls = told["usage"]["total"]["calls"]
    cpu = time.process_time() - before
    told = {"seconds": told["seconds"], "requests": calls, "cpu": cpu, "megabytes": peak}
    print(json.dumps(told))


def _bare(url: str, record: str, concurrency: str) -> None:
    """Send recorded requests with the client alone, each as soon as there is room for it."""
    from openai import AsyncOpenAI

    with open(record, encoding="utf-8") as file:
        bodies = [json.loads(line)["body"] for line in file]

    async def send_all() -> dict[str, float]:
        client = AsyncOpenAI(api_key="none", base_url=url, max_retries=0)
        left = iter(bodies)

        async def send() -> None:
            for body in left:
                await client.chat.completions.create(**body)

        started, before = time.perf_counter(), time.process_time()
        await asyncio.gather(*(send() for _ in range(int(concurrency))))
        return {
            "seconds": time.perf_counter() - started,
            "cpu": time.process_time() - before,
            "requests": len(bodies),
        }

    print(json.dumps(asyncio.run(send_all())))


if __name__ == "__main__":
    kind, *rest = sys.argv[1:]
    if kind == "serve":
        _serve(*rest)
    elif kind == "bare":
        _bare(*rest)
    else:
        _measured_batch(rest)
