"""Run or plan an evaluation as the flags ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from unillmrec.cli.evaluate.experiment import Experiment, open_experiment
from unillmrec.cli.evaluate.request import EvaluateRequest
from unillmrec.cli.shared.confirm import confirm
from unillmrec.cli.shared.output import format_count, note
from unillmrec.cli.shared.plan_output import PlanReport
from unillmrec.cli.shared.progress import progress_bars
from unillmrec.cli.shared.session import load_model_file
from unillmrec.evaluation.data.pseudonyms import pseudonym_remark
from unillmrec.evaluation.plan import SAMPLE, plan_evaluation
from unillmrec.evaluation.runner import Evaluation, evaluate
from unillmrec.evaluation.system_runs import RunSystems, run_sequentially
from unillmrec.evaluation.systems.contract import System
from unillmrec.evaluation.systems.registry import (
    PSEUDONYMISED,
    REFERENCE,
    SystemContext,
    SystemSpec,
    build_systems,
    estimate_total_usage,
)
from unillmrec.evaluation.worker_processes import RunInProcesses
from unillmrec.judge import LanguageModelJudge, SimilarityJudge
from unillmrec.judge.from_settings import build_writer, find_price
from unillmrec.session import Session
from unillmrec.stages import Options
from unillmrec.system.processes import available_cores


@dataclass(frozen=True, slots=True)
class EvaluateReport:
    """An evaluation, the tree it was made with, and the judge."""

    evaluation: Evaluation
    tree: str
    judge: str


def evaluate_systems(request: EvaluateRequest) -> EvaluateReport:
    """Evaluate the chain and the baselines."""
    with (
        open_experiment(request) as experiment,
        Session(experiment.tree, experiment.settings, command="evaluate", notify=note) as session,
    ):
        load_model_file(experiment.settings)
        if isinstance(session.judge, LanguageModelJudge):
            systems = _systems_with_model(experiment, session.judge)
            # The usage log and the limits on calls belong to this process.
            run_systems: RunSystems = run_sequentially
        else:
            systems, run_systems = _systems_without_model(experiment)
        with _evaluation_progress() as on_progress:
            evaluation = evaluate(
                experiment.split,
                systems,
                reference=REFERENCE,
                at=request.at,
                seed=request.seed,
                price=find_price(experiment.settings),
                progress=on_progress,
                run_systems=run_systems,
            )
        return EvaluateReport(evaluation, experiment.tree_name, session.judge.name)


def _systems_with_model(experiment: Experiment, judge: LanguageModelJudge) -> list[System]:
    """Return systems that ask the model, after confirmation of the cost."""
    _confirm_cost(experiment, judge)
    writer = build_writer(experiment.settings)
    context = SystemContext(experiment.tree, judge, writer, Options(), experiment.protocol.seed)
    systems = build_systems(context, experiment.systems)
    if renamed := experiment.pseudonymous:
        renamed_context = replace(
            context,
            tree=renamed,
            judge=judge.with_fallback(SimilarityJudge(renamed)),
            name=PSEUDONYMISED,
            remark=pseudonym_remark(experiment.tree),
        )
        systems.append(renamed_context.build(REFERENCE))
    return systems


def _systems_without_model(experiment: Experiment) -> tuple[list[System], RunSystems]:
    """Return systems that count prompts and send none, and the processes to run them in."""
    tree, settings, seed = experiment.tree, experiment.settings, experiment.protocol.seed
    specs = SystemSpec.for_kinds(tree.path, settings, experiment.systems, seed)
    systems = [each.build(tree) for each in specs]
    if renamed := experiment.pseudonymous:
        chain = SystemSpec(REFERENCE, renamed.path, settings, seed=seed)
        specs.append(replace(chain, name=PSEUDONYMISED, remark=pseudonym_remark(tree)))
        systems.append(specs[-1].build(renamed))
    return systems, RunInProcesses(specs, experiment.request.workers or available_cores())


def _confirm_cost(experiment: Experiment, judge: LanguageModelJudge) -> None:
    """Print the expected usage of the model, and ask whether to continue.

    Raises:
        SettingsError: the answer was not yes.
    """
    settings, parts, at = experiment.settings, experiment.split, experiment.request.at
    context = SystemContext.without_model(experiment.tree, settings)
    usage = estimate_total_usage(context, parts, experiment.systems, at)
    if experiment.pseudonymous:
        context = SystemContext.without_model(experiment.pseudonymous, settings)
        usage += estimate_total_usage(context, parts, [REFERENCE], at)
    people = format_count(len(parts.data.cases), "person", "people")
    cost = f"{usage.calls:,} calls, {usage.estimated_prompt:,} prompt and "
    cost += f"{usage.estimated_completion:,} completion tokens"
    confirm(f"Asking {judge.name} about {people} takes about {cost}.", yes=experiment.request.yes)


def plan(request: EvaluateRequest) -> PlanReport:
    """Walk for some of the people with the embedded judge, and count the prompts."""
    with open_experiment(request) as experiment:
        settings = experiment.settings
        context = SystemContext.without_model(experiment.tree, settings, experiment.protocol.seed)
        estimate = plan_evaluation(
            context,
            experiment.split,
            settings,
            experiment.systems,
            at=request.at,
            pseudonymised=experiment.pseudonymous,
        )
        count = len(experiment.split.data.cases)
        return PlanReport(
            estimate,
            what=f"An evaluation with {format_count(count, 'person', 'people')}",
            model=settings.model,
            walked=True,
            sampled=f"{min(count, SAMPLE):,} of them",
            about={"tree": experiment.tree_name, "people": count},
        )


@contextmanager
def _evaluation_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a callback that draws one bar per system."""
    with progress_bars() as bars:
        yield bars.report
