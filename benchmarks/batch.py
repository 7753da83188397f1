"""Compare a batch with a bare client loop: throughput, memory, and what a kill costs."""

from __future__ import annotations

import asyncio
import csv
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

from benchmarks.datasets import find, opened
from benchmarks.results import save
from unillmrec.batch.journal import SUFFIX, Journal

QUESTION = __doc__
SET = "ml-1m"
SEED = 0
LATENCY_SECONDS = 0.05
PEOPLE = 1_000
LEAST_MET = 10
# How many are asked at the same time, and for how many people.
THROUGHPUT = ((8, 100), (8, PEOPLE), (4, 100), (16, 100))
KILLS = 10
AT_ONCE = 8
LONGEST_SECONDS = 5.0
HISTORY = 40

Span = tuple[int, int]
"""The first of some people, and the first that is none of them."""


def run(data: Path) -> None:
    """Measure against a fake server with latency in its own process."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="batch-", dir=data) as name:
        folder = Path(name)
        _prepare(data, folder)
        for concurrency, people in THROUGHPUT:
            rows.append(throughput(folder, concurrency, people))
            print(rows[-1], flush=True)
        rows.append(killed(folder))
        print(rows[-1], flush=True)
    judge = "fake server, sensible answers without a model"
    save("batch", QUESTION, rows, judge=judge, latency=LATENCY_SECONDS, set=SET, seed=SEED)


def _prepare(data: Path, folder: Path) -> None:
    from unillmrec import build, read_catalog

    build(read_catalog(find(data, SET, "items.jsonl")), folder / "films.tree")
    histories: dict[str, list[tuple[float, str]]] = defaultdict(list)
    with opened(find(data, SET, "interactions.csv")) as file:
        for row in csv.DictReader(file):
            if float(row["rating"]) >= 4:
                histories[row["user_id"]].append((float(row["timestamp"]), row["item_id"]))
    chosen = [user for user, items in histories.items() if len(items) >= LEAST_MET]
    random.Random(SEED).shuffle(chosen)
    with (folder / "people.jsonl").open("w", encoding="utf-8") as out:
        for user in chosen[:PEOPLE]:
            items = [item for _, item in sorted(histories[user])][-HISTORY:]
            out.write(json.dumps({"id": user, "history": items}) + "\n")


def throughput(folder: Path, concurrency: int, people: int) -> dict[str, Any]:
    """Run a batch, then send the same requests with a bare client.

    Each side has the server to itself, in its own process. If a side, or the server, is busy
    nearly all of the time, the processor is the limit and not the latency.
    """
    load = os.getloadavg()[0]
    record = folder / "requests.jsonl"
    with served(record) as server:
        ours = _batch(folder, server, (0, people), concurrency)
        ours |= {"server": server.tell()["cpu"]}
    with served() as server:
        bare = _told(["bare", server.url, str(record), str(concurrency)])
        bare |= {"server": server.tell()["cpu"]}
    assert ours["requests"] == bare["requests"]
    row: dict[str, Any] = {
        "measures": "throughput",
        "people": people,
        "concurrency": concurrency,
        "requests": int(ours["requests"]),
        "ratio": round(bare["seconds"] / ours["seconds"], 3),
        "latency alone requests/s": round(concurrency / LATENCY_SECONDS, 1),
    }
    for name, side in (("batch", ours), ("bare", bare)):
        row |= {
            f"{name} requests/s": round(side["requests"] / side["seconds"], 1),
            f"{name} CPU ms/request": round(1000 * side["cpu"] / side["requests"], 2),
            f"{name} CPU busy": round(side["cpu"] / side["seconds"], 2),
            f"{name}'s server CPU busy": round(side["server"] / side["seconds"], 2),
        }
    return row | {"peak MB": round(ours["megabytes"], 1), "load before": round(load, 1)}


def killed(folder: Path) -> dict[str, Any]:
    """Kill a batch at random moments; compare repeated requests with what the journal held.

    A kill may lose replies that were in flight, or not yet in the journal: those are requested
    again, and no others.
    """
    chance = random.Random(SEED)
    record, out = folder / "requests.jsonl", folder / "killed.jsonl"
    for left in folder.glob("killed.jsonl*"):
        left.unlink()
    journal = out.with_name(out.name + SUFFIX)
    ends: list[tuple[int, float]] = []
    kept: list[int] = []
    kills = 0
    with served(record) as server:
        command = _command(folder, server, (0, PEOPLE), AT_ONCE, out)
        for _ in range(KILLS):
            process = _start(command)
            _wait_for_requests(server, process)
            time.sleep(chance.uniform(0.0, LONGEST_SECONDS))
            process.kill()
            kills += process.wait() < 0
            # What was sent before the kill is in the server's hands a moment later.
            moment = time.time()
            time.sleep(2 * LATENCY_SECONDS)
            ends.append((int(server.tell()["requests"]), moment))
            kept.append(_kept_calls(journal))
        finished = _start(command).wait() == 0
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    needed = sum(line["usage"]["total"]["calls"] for line in lines)
    ids = Counter(line["id"] for line in lines)
    with record.open(encoding="utf-8") as file:
        came = [json.loads(line)["at"] for line in file]
    lost, under_way = _lost(came, ends, kept)
    return {
        "measures": "kills",
        "people": PEOPLE,
        "concurrency": AT_ONCE,
        "kills": kills,
        "finished": finished,
        "lines": len(lines),
        "missing": PEOPLE - len(ids),
        "twice": sum(count - 1 for count in ids.values()),
        "requests": len(came),
        "needed": needed,
        "asked again": len(came) - needed,
        "of them not on the disk at a kill": sum(lost),
        "of these under way": sum(under_way),
        "lost at one kill, at most": max(lost),
        "asked again though on the disk": len(came) - needed - sum(lost),
    }


def _kept_calls(journal: Path) -> int:
    """Count the answered calls in the journal of a killed run."""
    if not journal.exists():
        return 0
    opened = Journal(journal)
    try:
        return sum((each.calls for each in opened.bill().by_stage().values()), 0)
    finally:
        opened.close()


def _lost(
    came: list[float], ends: list[tuple[int, float]], kept: list[int]
) -> tuple[list[int], list[int]]:
    """Return how many replies each kill lost, and how many requests were in flight.

    *came* is the arrival time of each request, *ends* the number of requests and the time at each
    kill, *kept* the number of replies in the journal then.
    """
    lost, under_way = [], []
    begin = kept_before = 0
    for (end, moment), kept_now in zip(ends, kept, strict=True):
        lost.append(end - begin - (kept_now - kept_before))
        under_way.append(sum(each + LATENCY_SECONDS > moment for each in came[begin:end]))
        begin, kept_before = end, kept_now
    return lost, under_way


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
    before = server.tell()["requests"]
    while server.tell()["requests"] == before and process.poll() is None:
        time.sleep(0.05)


class Server:
    """A fake server in another process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.url = process.stdout.readline().strip()

    def tell(self) -> dict[str, float]:
        """Return how many requests were received, and the CPU time they took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        report: dict[str, float] = json.loads(self._process.stdout.readline())
        return report


@contextmanager
def served(record: Path | None = None) -> Iterator[Server]:
    """Yield a server that records its requests and when it answered them."""
    command = [sys.executable, "-m", "benchmarks.batch", "serve", str(record or os.devnull)]
    command.append(str(LATENCY_SECONDS))
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Server(process)
    finally:
        process.communicate()


def _told(arguments: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.batch", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def _serve(record: str, latency: str) -> None:
    from unillmrec.testing import FakeServer
    from unillmrec.testing.wire import HttpAnswer

    lock = threading.Lock()
    with open(record, "w", encoding="utf-8") as file:

        class Recording(FakeServer):
            written = 0

            def respond(self, route: str, body: Any, headers: Any) -> HttpAnswer:
                answer = super().respond(route, body, headers)
                self.requests.clear()
                self.headers.clear()
                # A client that is killed may leave half a request, which nobody answers.
                if body is not None:
                    line = {"at": time.time(), "body": body}
                    with lock:
                        file.write(json.dumps(line) + "\n")
                        self.written += 1
                return answer

        with Recording(seconds=float(latency)) as server:
            print(server.base_url, flush=True)
            before = time.process_time()
            for _ in sys.stdin:
                cpu = time.process_time() - before
                print(json.dumps({"requests": server.written, "cpu": cpu}), flush=True)


def _measured_batch(arguments: list[str]) -> None:
    import contextlib
    import io

    # What it costs to begin is not what a request costs.
    import openai  # noqa: F401

    import unillmrec.recommending.recommender  # noqa: F401
    from unillmrec.cli import main
    from unillmrec.tokens import TokenCounter

    TokenCounter.for_model("fake-model").count("nothing")
    printed = io.StringIO()
    before = time.process_time()
    with contextlib.redirect_stdout(printed):
        main(["batch", *arguments])
    report = json.loads(printed.getvalue())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    calls = report["usage"]["total"]["calls"]
    cpu = time.process_time() - before
    report = {"seconds": report["seconds"], "requests": calls, "cpu": cpu, "megabytes": peak}
    print(json.dumps(report))


def _bare(url: str, record: str, concurrency: str) -> None:
    """Send recorded requests with the client alone, as fast as the limit allows."""
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
