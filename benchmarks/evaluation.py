"""How good is the chain with the embedded judge, next to all baselines, and what does it cost?"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.intervals import format_estimate
from benchmarks.people import EXAMINED, PEOPLE, SEED, interactions_of, last_out, shelf_of
from benchmarks.results import save
from unillmrec import BuildOptions, ItemTree, Options, build
from unillmrec.evaluation.data.cases import Split
from unillmrec.evaluation.runner import Evaluation, SystemResult, evaluate
from unillmrec.evaluation.systems.registry import REFERENCE, SystemSpec
from unillmrec.evaluation.worker_processes import RunInProcesses
from unillmrec.judge.from_settings import find_price
from unillmrec.prices import Price, format_amount
from unillmrec.settings import Settings
from unillmrec.system.processes import available_cores

QUESTION = __doc__
SETS = EXAMINED
PLAIN = "unillmrec, no variety"
# Nobody is asked: the model whose vocabulary and price tell what asking would cost.
MODEL = "gpt-4o"
SETTINGS = {"judge": "embedded", "model": MODEL}
# The best zero-shot content baseline that other code found on each set, its recall@10.
BAR = {"ml-1m": 0.050, "amazon-beauty": 0.074}


def run(data: Path) -> None:
    """Evaluate all systems, and the chain without variety, on the same people."""
    price = find_price(Settings.resolve(SETTINGS))
    rows: list[dict[str, Any]] = []
    comparisons: list[dict[str, Any]] = []
    protocol: dict[str, Any] = {}
    for name in SETS:
        index = shelf_of(data, name)
        held_out = last_out(interactions_of(data, name), index, name, PEOPLE)
        protocol[name] = held_out.facts
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "measured.tree"
            build(index.items, path, BuildOptions(workers=1))
            with ItemTree.open(path) as tree:
                started, cpu = time.perf_counter(), _cpu()
                made = _evaluated(held_out, tree, price)
                took = time.perf_counter() - started, _cpu() - cpu
        rows += [_row(name, result, made) for result in made.results]
        comparisons += [{"set": name, **each.as_dict()} for each in made.comparisons]
        timing = {"wall": round(took[0], 1), "cpu": round(took[1], 1)}
        timing |= {"processes": available_cores(), "measuring": round(made.measuring, 1)}
        print(name, timing, flush=True)
        rows[-1] |= {"seconds": timing}
    save(
        "evaluation",
        QUESTION,
        rows,
        seed=SEED,
        people=PEOPLE,
        protocol=protocol,
        comparisons=comparisons,
        bar=BAR,
        price=f"{MODEL}: {price.describe()}" if price else "unknown",
        judge="embedded similarity judge, no model; tokens are counted, nothing was sent",
    )


def _evaluated(held_out: Split, tree: ItemTree, price: Price | None) -> Evaluation:
    settings = Settings.resolve(SETTINGS)
    entries = SystemSpec.for_kinds(tree.path, settings, seed=SEED)
    plain = Options(variety=0.0, reorder="none")
    entries.append(SystemSpec(REFERENCE, tree.path, settings, plain, SEED, PLAIN))
    return evaluate(
        held_out,
        [each.build(tree) for each in entries],
        reference=REFERENCE,
        seed=SEED,
        price=price,
        run_systems=RunInProcesses(entries, available_cores()),
    )


def _cpu() -> float:
    """Return the CPU seconds of this process and its children."""
    return sum(os.times()[:4])


def _row(name: str, result: SystemResult, made: Evaluation) -> dict[str, Any]:
    each = result.estimates
    return {
        "set": name,
        "system": result.name + ("" if result.zero_shot else " *"),
        "recall@10": format_estimate(each["recall@10"]),
        "ndcg@10": format_estimate(each["ndcg@10"]),
        "recalled": format_estimate(each.get("recalled")),
        "coverage@10": format_estimate(each["coverage@10"]),
        "distance": format_estimate(each["intra-list distance"]),
        "novelty": format_estimate(each["novelty"], 2),
        "popularity lift": format_estimate(each["popularity lift"], 2),
        **_billed(result),
        "ms a person": round(1_000 * result.answering / len(made.split.data.cases), 1),
        "note": "; ".join(result.remarks),
    }


def _billed(result: SystemResult) -> dict[str, Any]:
    """Return the tokens of one person's recommendation, by our count."""
    priced, cost = max(result.priced, 1), result.estimated_cost
    return {
        "prompt": round(result.usage.estimated_prompt / priced),
        "completion": round(result.usage.estimated_completion / priced),
        "money": f"{cost.currency} {format_amount(cost.amount)}" if cost else "unknown",
    }
