"""An evaluation as the command line asks for it: histories, systems, progress, files."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from unillmrec.building import build
from unillmrec.cli.shared.confirm import confirm
from unillmrec.cli.shared.output import format_count, note
from unillmrec.cli.shared.plan_output import PlanReport
from unillmrec.cli.shared.session import asking
from unillmrec.errors import SettingsError
from unillmrec.evaluation.data.exam import ItemIndex, Split
from unillmrec.evaluation.data.pseudonyms import build_under_false_names, remark_on
from unillmrec.evaluation.data.split import Protocol, SplitKind, parse_cutoff, split
from unillmrec.evaluation.datasets import Format, parse
from unillmrec.evaluation.plan import SAMPLE, plan_evaluation
from unillmrec.evaluation.report.page import page
from unillmrec.evaluation.runner import Evaluation, evaluate
from unillmrec.evaluation.system_runs import Examine, one_by_one
from unillmrec.evaluation.system_runs import Progress as Report
from unillmrec.evaluation.systems.contract import System
from unillmrec.evaluation.systems.registry import (
    MADE_UP,
    REFERENCE,
    Entry,
    Means,
    expected_usage,
    make_systems,
)
from unillmrec.evaluation.worker_processes import InProcesses
from unillmrec.judge import LanguageModelJudge, SimilarityJudge
from unillmrec.judge.from_settings import build_writer, find_price
from unillmrec.people.interactions import Interactions, read_interactions
from unillmrec.settings import Settings
from unillmrec.stages import Options
from unillmrec.store import ItemTree
from unillmrec.system.processes import available_cores


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the flags say. Without a *tree* one is built of the *dataset*, for the time being."""

    tree: Path | None
    histories: Path | None
    dataset: tuple[Format, Path] | None
    protocol: Protocol
    at: int
    systems: tuple[str, ...]
    pseudonymise: bool
    settings: Settings
    lists: Path | None = None
    report: Path | None = None
    agreed: bool = False
    workers: int = 0
    command: str = ""

    @classmethod
    def of(
        cls,
        tree: Path | None,
        people: tuple[Path | None, str | None],
        protocol: tuple[SplitKind, str | None, int, int, float | None],
        what: tuple[int, str | None, bool, int],
        flags: Mapping[str, object],
    ) -> Wishes:
        """Put everything in its place."""
        histories, named_set = people
        kind, cutoff, count, seed, least_rating = protocol
        at, systems, pseudonymise, workers = what
        if (histories is None) == (named_set is None):
            raise typer.TyperException("who met what: give either --histories or --dataset.")
        if tree is None and named_set is None:
            raise typer.TyperException("--histories needs a tree of the items in it.")
        if cutoff is not None and kind != "time":
            raise SettingsError("--cutoff needs --split time.")
        dataset = parse(named_set) if named_set is not None else None
        if least_rating is None and dataset:
            least_rating = dataset[0].least_rating
        when = None if cutoff is None else parse_cutoff(cutoff)
        named = tuple(each.strip() for each in (systems or "").split(",") if each.strip())
        chosen = Protocol(kind, count, seed, least_rating, when)
        flagged = Settings.resolve(flags)
        asked = (at, named, pseudonymise, flagged)
        return cls(tree, histories, dataset, chosen, *asked, workers=workers)

    def writing(
        self, lists: Path | None, report: Path | None, *, agreed: bool, command: str
    ) -> Wishes:
        """Return the same wishes, with files to write, and whether the cost is agreed to.

        The page that is written names the *command*.

        Raises:
            SettingsError: one of them is there already, or could not be written.
        """
        for flag, path in (("--lists", lists), ("--report", report)):
            if path is None:
                continue
            if path.exists():
                raise SettingsError(f"{path} exists already.", remedy=f"another {flag}.")
            if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
                raise SettingsError(
                    f"{path} cannot be written: {path.parent} is no folder that can be written to.",
                    remedy=f"another {flag}.",
                )
        if lists and report and lists.resolve() == report.resolve():
            raise SettingsError(f"--lists and --report both name {lists}.", remedy="two files.")
        return replace(self, lists=lists, report=report, agreed=agreed, command=command)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An evaluation, and what it is of."""

    evaluation: Evaluation
    tree: str
    judge: str


def evaluate_tree(wishes: Wishes) -> Evaluated:
    """Evaluate what the settings ask for."""
    with ExitStack() as stack:
        path, met = _prepared(wishes, stack)
        tree = stack.enter_context(ItemTree.open(path))
        asked = stack.enter_context(asking(tree, wishes.settings, "evaluate"))
        parted = split(met, ItemIndex.of_tree(tree), wishes.protocol)
        renamed = _under_false_names(parted, tree, wishes, stack)
        if isinstance(asked.judge, LanguageModelJudge):
            systems = _asking(parted, (tree, renamed), asked.judge, wishes)
            # Calls are made where the log, the cache and the limits are.
            examine: Examine = one_by_one
        else:
            systems, examine = _counting((tree, renamed), wishes)
        progress = stack.enter_context(evaluation_progress())
        made = evaluate(
            parted,
            systems,
            reference=REFERENCE,
            at=wishes.at,
            seed=wishes.protocol.seed,
            price=find_price(wishes.settings),
            progress=progress,
            examine=examine,
        )
        judge = asked.judge.name
    return Evaluated(made, _told_tree(wishes), judge)


Trees: TypeAlias = tuple[ItemTree, ItemTree | None]
"""A tree, and the same items under false names, if they are wanted."""


def _asking(parted: Split, trees: Trees, judge: LanguageModelJudge, wishes: Wishes) -> list[System]:
    """Return systems of which those that can ask the model, once that was agreed to."""
    tree, renamed = trees
    _agree(parted, trees, judge, wishes)
    means = Means(tree, judge, build_writer(wishes.settings), Options(), wishes.protocol.seed)
    systems = make_systems(means, wishes.systems)
    if renamed is not None:
        asked = judge.with_fallback(SimilarityJudge(renamed))
        named = replace(means, tree=renamed, judge=asked, name=MADE_UP, remark=remark_on(tree))
        systems.append(named.chain())
    return systems


def _counting(trees: Trees, wishes: Wishes) -> tuple[list[System], Examine]:
    """Return systems that ask nobody and count what it would cost, and processes for them."""
    tree, renamed = trees
    seed = wishes.protocol.seed
    entries = Entry.of_all(tree.path, wishes.settings, wishes.systems, seed)
    systems = [each.made(tree) for each in entries]
    if renamed is not None:
        chain = Entry(REFERENCE, renamed.path, wishes.settings, seed=seed)
        entries.append(replace(chain, name=MADE_UP, remark=remark_on(tree)))
        systems.append(entries[-1].made(renamed))
    return systems, InProcesses(entries, wishes.workers or available_cores())


def plan_for(wishes: Wishes) -> PlanReport:
    """Walk for some of the people with the embedded judge, and count the prompts."""
    with ExitStack() as stack:
        path, met = _prepared(wishes, stack)
        tree = stack.enter_context(ItemTree.open(path))
        parted = split(met, ItemIndex.of_tree(tree), wishes.protocol)
        renamed = _under_false_names(parted, tree, wishes, stack)
        means = Means.without_model(tree, wishes.settings, wishes.protocol.seed)
        plan = plan_evaluation(
            means, parted, wishes.settings, wishes.systems, at=wishes.at, made_up=renamed
        )
    count = len(parted.exam.cases)
    return PlanReport(
        plan,
        what=f"An evaluation with {format_count(count, 'person', 'people')}",
        model=wishes.settings.model,
        walked=True,
        sampled=f"{min(count, SAMPLE):,} of them",
        about={"tree": _told_tree(wishes), "people": count},
    )


def write_files(made: Evaluated, wishes: Wishes) -> None:
    """Write the lists and the page, if they are wanted.

    Raises:
        SettingsError: one of them cannot be written.
    """
    if wishes.lists:
        lines = _listed(made.evaluation)
        _write(wishes.lists, (json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    if wishes.report:
        about = {
            "tree": made.tree,
            "judge": made.judge,
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "version": f"unillmrec {version('unillmrec')}",
            "command": wishes.command,
        }
        _write(wishes.report, [page(made.evaluation, about)])


def _told_tree(wishes: Wishes) -> str:
    if wishes.tree is None and wishes.dataset:
        return f"a tree of {wishes.dataset[0].title}"
    return str(wishes.tree)


def _prepared(wishes: Wishes, stack: ExitStack) -> tuple[Path, Interactions]:
    """Return the tree and who met what; without a tree, build one that goes with the stack."""
    if wishes.dataset is None:
        assert wishes.tree is not None
        assert wishes.histories is not None
        return wishes.tree, read_interactions(wishes.histories)
    form, folder = wishes.dataset
    note(f"{form.title}, {form.source}. Terms: {form.terms}.")
    loaded = form.load(folder)
    if wishes.tree is not None:
        return wishes.tree, loaded.interactions
    path = Path(stack.enter_context(TemporaryDirectory())) / "evaluated.tree"
    build(loaded.items, path)
    return path, loaded.interactions


def _agree(parted: Split, trees: Trees, judge: LanguageModelJudge, wishes: Wishes) -> None:
    """Say about what asking the model will take, and go on if that was agreed to.

    Raises:
        SettingsError: nobody said yes.
    """
    tree, renamed = trees
    means = Means.without_model(tree, wishes.settings)
    usage = expected_usage(means, parted, wishes.systems, wishes.at)
    if renamed is not None:
        means = Means.without_model(renamed, wishes.settings)
        usage += expected_usage(means, parted, [REFERENCE], wishes.at)
    people = format_count(len(parted.exam.cases), "person", "people")
    told = f"{usage.calls:,} calls, {usage.estimated_prompt:,} prompt and "
    told += f"{usage.estimated_completion:,} completion tokens"
    confirm(f"Asking {judge.name} about {people} takes about {told}.", yes=wishes.agreed)


def _under_false_names(
    parted: Split, tree: ItemTree, wishes: Wishes, stack: ExitStack
) -> ItemTree | None:
    """Return a tree of the same items under false names, for the time being, if it is wanted."""
    if not wishes.pseudonymise:
        return None
    path = Path(stack.enter_context(TemporaryDirectory())) / "renamed.tree"
    build_under_false_names(tree, parted.exam.shelf.items, path, wishes.protocol.seed)
    return stack.enter_context(ItemTree.open(path))


def _write(path: Path, texts: Iterable[str]) -> None:
    """Write a file beside its place and put it there.

    Raises:
        SettingsError: it cannot be written.
    """
    beside = path.with_name(path.name + ".part")
    try:
        with beside.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(texts)
        beside.replace(path)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}.") from error


def _listed(made: Evaluation) -> Iterator[dict[str, object]]:
    """Return what every system recommended to every person."""
    for place, case in enumerate(made.split.exam.cases):
        for outcome in made.outcomes:
            yield {
                "case": case.number,
                "system": outcome.name,
                "items": list(outcome.answers[place].items),
                "held_out": sorted(made.split.truth.of(case.number)),
                "history": len(case.history),
            }


@contextmanager
def evaluation_progress() -> Iterator[Report]:
    """Give what shows how far each system is."""
    if not sys.stderr.isatty():
        yield lambda system, done, total: None
        return
    with Progress(
        TextColumn("{task.description:<18}", markup=False),
        BarColumn(bar_width=30, style="dim"),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def report(system: str, done: int, total: int) -> None:
            if system not in tasks:
                tasks[system] = bars.add_task(system, total=total)
            bars.update(tasks[system], completed=done)

        yield report
