"""Prepare an evaluation: read the interactions, open or build the trees, split the people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from unillmrec.building import build
from unillmrec.cli.evaluate.request import EvaluateRequest
from unillmrec.cli.flags.settings import settings_of
from unillmrec.cli.shared.output import note
from unillmrec.errors import SettingsError
from unillmrec.evaluation.data.cases import ItemIndex, Split
from unillmrec.evaluation.data.pseudonyms import build_pseudonymised_tree
from unillmrec.evaluation.data.split import SplitProtocol, parse_cutoff, split
from unillmrec.evaluation.datasets import DatasetFormat, parse_dataset
from unillmrec.people.interactions import Interactions, read_interactions
from unillmrec.settings import Settings
from unillmrec.store import ItemTree


@dataclass(frozen=True, slots=True)
class Experiment:
    """The trees, the people and the settings of an evaluation.

    *pseudonymous* is the tree of the same items under made-up names, if it was asked for.
    *tree_name* names the tree in the results.
    """

    request: EvaluateRequest
    settings: Settings
    protocol: SplitProtocol
    systems: tuple[str, ...]
    tree: ItemTree
    tree_name: str
    split: Split
    pseudonymous: ItemTree | None


@contextmanager
def open_experiment(request: EvaluateRequest) -> Iterator[Experiment]:
    """Yield what the flags describe; temporary trees are deleted at the end.

    Raises:
        typer.TyperException: flags are missing, or cannot be combined.
        SettingsError: --cutoff was given without --split time.
        EvaluationError: the interactions or the data set cannot be used.
    """
    _check_flags(request)
    dataset = parse_dataset(request.dataset) if request.dataset is not None else None
    protocol = _protocol(request, dataset)
    settings = settings_of(request)
    names = (each.strip() for each in (request.systems or "").split(","))
    with ExitStack() as stack:
        path, interactions = _load(request, dataset, stack)
        tree = stack.enter_context(ItemTree.open(path))
        parts = split(interactions, ItemIndex.of_tree(tree), protocol)
        pseudonymous = None
        if request.pseudonymise:
            renamed = Path(stack.enter_context(TemporaryDirectory())) / "renamed.tree"
            build_pseudonymised_tree(tree, parts.data.index.items, renamed, protocol.seed)
            pseudonymous = stack.enter_context(ItemTree.open(renamed))
        yield Experiment(
            request,
            settings,
            protocol,
            tuple(filter(None, names)),
            tree,
            str(request.tree) if request.tree or not dataset else f"a tree of {dataset[0].title}",
            parts,
            pseudonymous,
        )


def _check_flags(request: EvaluateRequest) -> None:
    if (request.histories is None) == (request.dataset is None):
        raise typer.TyperException("the interactions: give either --histories or --dataset.")
    if request.tree is None and request.dataset is None:
        raise typer.TyperException("--histories needs a tree that has its items.")
    if request.cutoff is not None and request.split != "time":
        raise SettingsError("--cutoff needs --split time.")


def _protocol(
    request: EvaluateRequest, dataset: tuple[DatasetFormat, Path] | None
) -> SplitProtocol:
    least_rating = request.least_rating
    if least_rating is None and dataset:
        least_rating = dataset[0].least_rating
    cutoff = None if request.cutoff is None else parse_cutoff(request.cutoff)
    return SplitProtocol(request.split, request.people, request.seed, least_rating, cutoff)


def _load(
    request: EvaluateRequest, dataset: tuple[DatasetFormat, Path] | None, stack: ExitStack
) -> tuple[Path, Interactions]:
    """Return the tree file and the interactions; build a temporary tree if none was named."""
    if dataset is None:
        assert request.tree is not None
        assert request.histories is not None
        return request.tree, read_interactions(request.histories)
    form, folder = dataset
    note(f"{form.title}, {form.source}. Terms: {form.terms}.")
    loaded = form.load(folder)
    if request.tree is not None:
        return request.tree, loaded.interactions
    path = Path(stack.enter_context(TemporaryDirectory())) / "evaluated.tree"
    build(loaded.items, path)
    return path, loaded.interactions
