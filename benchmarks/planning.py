"""How accurate are plans? Plan a recommendation, run it with a simulated model, compare."""

from __future__ import annotations

import json
import random
import re
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.datasets import SEED, load_with_people
from benchmarks.results import save
from unillmrec import BuildOptions, ItemTree, OpenAIEndpoint, Options, Recommender, build
from unillmrec.describing.run import DescribeOptions, describe, plan_describing
from unillmrec.judge import LanguageModelJudge, Question, SimilarityJudge, Verdict
from unillmrec.judge.describer import LanguageModelDescriber
from unillmrec.judge.from_settings import build_writer
from unillmrec.judge.registry import build_estimating_judge
from unillmrec.planning.plan import Plan
from unillmrec.planning.planner import Planner
from unillmrec.settings import Settings
from unillmrec.stages import Person
from unillmrec.store import EditableTree
from unillmrec.testing import FakeServer
from unillmrec.testing.sensible import sensible_answer
from unillmrec.tokens import TokenCounter
from unillmrec.tokens.rough import RoughVocabulary
from unillmrec.usage import Stage, Usage
from unillmrec.usage_log import Calibration, LoggedEndpoint, UsageLog

SETS = ("ml-1m", "amazon-beauty", "goodreads")
PEOPLE = 30
MODEL_SEED, FAULT_SEED = 7, 11
# So many are served before plans count as calibrated.
FIRST = 5
DESCRIBED = 40
QUESTION = "How far is --plan from what a run then takes?"
JUDGE = (
    "a simulated model: the embedded judge's scores with noise, answers of its own length and "
    "layout, 3 in 100 unusable and 2 in 100 failed"
)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a simulated model behaves: name, vocabulary, verbosity, accuracy."""

    name: str
    count: Callable[[str], int]
    indent: int | None
    noise: float
    kept: float
    words: tuple[int, int]


_OURS = TokenCounter.for_model(None)


def _foreign(text: str) -> int:
    """Count tokens as another vocabulary might: none in use needs less than 0.83 of ours."""
    return max(round(1.15 * RoughVocabulary().count(text)), round(0.83 * _OURS.count(text)))


MANNERS = (
    Manner("gpt-4o-mini", _OURS.count, None, 10.0, 1.0, (3, 8)),
    Manner("foreign-8b", _foreign, None, 20.0, 0.6, (6, 12)),
    Manner("foreign-wordy", _foreign, 1, 30.0, 0.8, (2, 5)),
)


class SimulatedModel:
    """Answers prompts in a given manner, from the embedded judge's scores."""

    def __init__(self, manner: Manner, seed: int) -> None:
        self.manner = manner
        self.scores: dict[str, Mapping[int, float]] = {}
        self._chance = random.Random(seed)
        self._lock = threading.Lock()

    def answer(self, body: Mapping[str, Any]) -> str:
        """Return the text of a reply."""
        prompt = str(body["messages"][1]["content"])
        with self._lock:
            chance = random.Random(self._chance.random())
        if len(body["messages"]) == 2 and chance.random() < 0.03:
            return "I am sorry, I would rather talk about something else."
        system = str(body["messages"][0]["content"])
        return json.dumps(self._value(system, prompt, chance), indent=self.manner.indent)

    def _value(self, system: str, prompt: str, chance: random.Random) -> object:
        if prompt not in self.scores:
            if '"descriptions"' in system:
                return json.loads(sensible_answer(prompt, "descriptions"))
            return {"interests": self._interests(prompt, chance)}
        scores = self.scores[prompt]
        low, high = min(scores.values()), max(scores.values())
        seen = {
            number: 10 + 80 * (score - low) / ((high - low) or 1) + chance.gauss(0, self._noise)
            for number, score in scores.items()
        }
        ranked = sorted(seen, key=lambda number: -seen[number])
        if '"order"' in system:
            return {"order": ranked}
        wanted = re.search(r"at most (\d+) items", system)
        most = round(int(wanted[1]) * self.manner.kept) if wanted else len(ranked)
        scored = [n for n in ranked[:most] if wanted or seen[n] >= 10]
        return {"picks": [{"number": n, "score": round(min(seen[n], 100))} for n in scored]}

    @property
    def _noise(self) -> float:
        return self.manner.noise

    def _interests(self, prompt: str, chance: random.Random) -> list[dict[str, object]]:
        words = re.findall(r"[a-zA-Z]{4,}", prompt) or ["things"]
        count = chance.randint(2, 5)
        return [
            {
                "interest": " ".join(chance.choices(words, k=chance.randint(*self.manner.words))),
                "weight": 100 // count,
            }
            for _ in range(count)
        ]


class _ToldJudge(LanguageModelJudge):
    """Passes the embedded judge's scores to the simulated model before asking it."""

    tell: Callable[[str, Mapping[int, float]], None]
    similar: SimilarityJudge

    def choose(self, question: Question) -> Verdict:
        request = self._writer.request(question)
        scores = dict(self.similar.choose(question).scores)
        self.tell(request.messages[-1].content, scores)
        return super().choose(question)


def run(data: Path) -> None:
    """Plan and run on each data set with each simulated model; write the result."""
    started, rows = time.process_time(), []
    for name in SETS:
        held = load_with_people(data, name, PEOPLE)
        people = [
            Person(tuple(held.items[place].id for place in each.history)) for each in held.people
        ]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "set.tree")
            build(held.items, path, BuildOptions(workers=1))
            for manner in MANNERS:
                rows += _compared(name, path, people, manner)
                print(rows[-1], flush=True)
    every = [row for row in rows if row["what"] == "recommend"]
    summary = {
        key: round(100 * statistics.median(_shares(every, key)), 1) for key in ("first", "learnt")
    }
    for row in rows:
        row.pop("errors")
    save(
        "planning",
        QUESTION,
        rows,
        seed=(SEED, MODEL_SEED, FAULT_SEED),
        judge=JUDGE,
        people=PEOPLE,
        median_error_percent=summary,
        cpu_seconds=round(time.process_time() - started),
    )


def _shares(rows: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [error for row in rows for error in row["errors"][key]]


def _compared(
    name: str, path: Path, people: Sequence[Person], manner: Manner
) -> list[dict[str, Any]]:
    model = SimulatedModel(manner, MODEL_SEED)
    faults = random.Random(FAULT_SEED)

    def fault(number: int) -> int | None:
        return 503 if faults.random() < 0.02 else None

    with (
        FakeServer(model.answer, model=manner.name, count=manner.count, faults=fault) as server,
        ItemTree.open(path) as tree,
    ):
        settings = Settings(base_url=server.base_url, model=manner.name)
        endpoint = OpenAIEndpoint(
            manner.name, base_url=server.base_url, api_key="", sleep=lambda seconds: None
        )
        log_file = path.with_name(f"{manner.name}.usage")
        with endpoint, UsageLog(log_file, command="bench", tree=path, warn=print) as log:
            logged = LoggedEndpoint(endpoint, log)
            judge = _ToldJudge(logged, build_writer(settings), SimilarityJudge(tree))
            judge.tell, judge.similar = model.scores.__setitem__, SimilarityJudge(tree)
            pairs = [_planned_and_run(tree, judge, each, settings, log_file) for each in people]
            own = shutil.copy(path, path.with_name(f"{manner.name}.tree"))
            described = _described(Path(own), logged, settings, log_file)
    return [_row(name, manner, "recommend", pairs), _row(name, manner, "describe", described)]


@dataclass(frozen=True, slots=True)
class _Pair:
    first: Plan
    learnt: Plan | None
    usage: Usage


def _planned_and_run(
    tree: ItemTree, judge: _ToldJudge, person: Person, settings: Settings, log: Path
) -> _Pair:
    endpoint = settings.base_url.removeprefix("http://").removesuffix("/v1")  # type: ignore[union-attr]
    bare = Planner(settings.model, TokenCounter.for_model(settings.model))
    known = Calibration.read(log, settings.model, endpoint)
    wise = Planner(settings.model, bare.counter, known)
    plans = []
    for planner in (bare, wise):
        estimating = build_estimating_judge(tree, settings, planner.profile_tokens)
        made = Recommender(tree, estimating).recommend_to(person, Options())
        plans.append(planner.plan(made.usage, made.waits))
    done = Recommender(tree, judge).recommend_to(person, Options())
    answers = known.by_stage[Stage.PROFILE].replies if Stage.PROFILE in known.by_stage else 0
    return _Pair(plans[0], plans[1] if answers >= FIRST else None, done.total_usage())


def _described(path: Path, logged: LoggedEndpoint, settings: Settings, log: Path) -> list[_Pair]:
    """Describe a part of the tree twice; the second plan is calibrated by the first run."""
    endpoint = settings.base_url.removeprefix("http://").removesuffix("/v1")  # type: ignore[union-attr]
    bare = Planner(settings.model, TokenCounter.for_model(settings.model))
    writer = build_writer(settings)
    pairs = []
    for _ in range(3):
        known = Calibration.read(log, settings.model, endpoint)
        with EditableTree.open(path) as tree:
            options = DescribeOptions(most=DESCRIBED)
            asked = {Stage.DESCRIBE: plan_describing(tree, writer, options).usage}
            report = describe(tree, LanguageModelDescriber(logged, writer), options)
        learnt = Planner(settings.model, bare.counter, known).plan(asked)
        has_history = Stage.DESCRIBE in known.by_stage
        pairs.append(_Pair(bare.plan(asked), learnt if has_history else None, report.usage))
    return pairs


def _row(name: str, manner: Manner, what: str, pairs: Sequence[_Pair]) -> dict[str, Any]:
    first = [_off(pair.first, pair.usage) for pair in pairs]
    learnt = [_off(pair.learnt, pair.usage) for pair in pairs if pair.learnt]
    inside = [_within(pair.learnt, pair.usage) for pair in pairs if pair.learnt]
    return {
        "set": name,
        "model": manner.name,
        "what": what,
        "runs": len(pairs),
        "tokens": round(statistics.mean(_tokens(pair.usage) for pair in pairs)),
        "off, no history": _percent(statistics.median(map(abs, first))),
        "bias": f"{100 * statistics.mean(first):+.0f} %",
        "in the interval": _percent(statistics.mean(_within(p.first, p.usage) for p in pairs)),
        "off, calibrated": _percent(statistics.median(map(abs, learnt))) if learnt else "",
        "bias ": f"{100 * statistics.mean(learnt):+.0f} %" if learnt else "",
        "in the interval ": _percent(statistics.mean(inside)) if inside else "",
        "errors": {"first": list(map(abs, first)), "learnt": list(map(abs, learnt))},
    }


def _tokens(usage: Usage) -> int:
    assert None not in (usage.prompt, usage.completion)
    return usage.known_prompt + usage.known_completion


def _off(plan: Plan, usage: Usage) -> float:
    return plan.total.tokens.likely / _tokens(usage) - 1


def _within(plan: Plan, usage: Usage) -> bool:
    return plan.total.tokens.low <= _tokens(usage) <= plan.total.tokens.high


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
