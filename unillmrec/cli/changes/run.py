"""Change the items of a tree as the flags say, with progress."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import typer

from unillmrec.building import Progress
from unillmrec.catalog import CatalogReader
from unillmrec.catalog.reader import catalog_from_items
from unillmrec.cli.build.embedding import embedding_model
from unillmrec.cli.changes.request import (
    ChangeRequest,
    DeleteRequest,
    ItemsRequest,
    SyncRequest,
    UpdateRequest,
)
from unillmrec.cli.flags.catalog import open_catalog, reading_options
from unillmrec.cli.flags.settings import settings_of
from unillmrec.cli.shared.output import format_count
from unillmrec.cli.shared.progress import status_line
from unillmrec.errors import CatalogError, TreeError
from unillmrec.people.history import read_id_file
from unillmrec.store import ItemTree
from unillmrec.store.survey import count_stale_summaries
from unillmrec.updating.applier import ChangeReport
from unillmrec.updating.change_vectors import ChangedVectors, EmbeddedChanges, VectorRows
from unillmrec.updating.changer import TreeChanger
from unillmrec.usage import Bill

ChangeKind: TypeAlias = Literal["insert", "update", "upsert", "sync"]
VectorSource: TypeAlias = Callable[[Path], AbstractContextManager[ChangedVectors]]


@dataclass(frozen=True, slots=True)
class ChangeOutcome:
    """The report of a change, and the state of the tree after it."""

    tree: Path
    report: ChangeReport
    items: int
    stale: int
    reader: CatalogReader | None
    bill: Bill


def change_items(
    kind: ChangeKind,
    request: ChangeRequest,
    *,
    tree: Path | None = None,
    vector_source: VectorSource | None = None,
) -> ChangeOutcome:
    """Insert, update, upsert or sync the items that *request* names.

    A plan passes another *tree*, a copy, and a *vector_source* that replaces the endpoint.

    Raises:
        CatalogError: the items cannot be read.
        TreeError: an id is, or is not, in the tree; or vectors are missing.
    """
    path, bill = tree or request.file, Bill()
    with ItemTree.open(path) as opened:
        facts = opened.facts
    reader = _open_items(request, facts.get("asked_columns") or {})
    with (
        _vectors(request, path, facts, bill, vector_source) as given,
        _change_progress() as progress,
        TreeChanger(
            path, batch=getattr(request, "batch", None), given=given, progress=progress
        ) as changer,
    ):
        if isinstance(request, UpdateRequest):
            report = changer.update(reader, ignore_missing=request.ignore_missing)
        else:
            report = getattr(changer, kind)(reader)
        stale = _count_stale(changer.tree)
        return ChangeOutcome(path, report, len(changer.tree), stale, reader, bill)


def delete_items(request: DeleteRequest) -> ChangeOutcome:
    """Delete items by their ids.

    Raises:
        TreeError: an id is not in the tree.
    """
    if bool(request.ids) == bool(request.id_file):
        raise typer.TyperException("Give ids, or --ids FILE.")
    ids = request.ids or read_id_file(str(request.id_file))
    with (
        _change_progress() as progress,
        TreeChanger(request.file, batch=request.batch, progress=progress) as changer,
    ):
        report = changer.delete(ids, ignore_missing=request.ignore_missing)
        stale = _count_stale(changer.tree)
        return ChangeOutcome(request.file, report, len(changer.tree), stale, None, Bill())


def _open_items(request: ChangeRequest, remembered: Mapping[str, Any]) -> CatalogReader:
    """Open the items; column flags that are not given are those of the build."""
    if isinstance(request, ItemsRequest):
        if request.item is not None:
            options = reading_options(request, remembered)
            return catalog_from_items([_parse_item(request.item)], name="--item", **options)
        if request.items is None:
            raise typer.TyperException("Give a file of items, - for standard input, or --item.")
        return open_catalog(request.items, request, remembered)
    assert isinstance(request, SyncRequest)
    return open_catalog(request.catalog, request, remembered)


def _parse_item(text: str) -> dict[str, object]:
    try:
        row = json.loads(text)
    except ValueError as error:
        raise CatalogError(
            f"--item is not JSON: {error}.", remedy="""--item '{"id": "x1", "title": "…"}'"""
        ) from error
    if not isinstance(row, dict):
        raise CatalogError("--item is no JSON object.", remedy="an object with an id and a title.")
    return row


def _count_stale(tree: ItemTree) -> int:
    """Count the model-written descriptions that are out of date."""
    if not tree.facts.get("described_by"):
        return 0
    return count_stale_summaries(tree)


@contextmanager
def _change_progress() -> Iterator[Progress]:
    """Yield a callback that shows how many items are done."""
    with status_line("reading") as show:

        def report(phase: str, done: int, total: int | None) -> None:
            show(f"{phase}: {format_count(done, 'item')}" if done else phase)

        yield report


@contextmanager
def _vectors(
    request: ChangeRequest,
    path: Path,
    facts: Mapping[str, Any],
    bill: Bill,
    vector_source: VectorSource | None,
) -> Iterator[ChangedVectors | None]:
    """Yield the vectors of new items, for a tree that was built from given vectors."""
    settings = settings_of(request)
    if request.vectors is not None:
        if facts["space"] == "terms":
            raise TreeError(
                f"{path.name} was built from words; it takes no vectors.",
                detail="Nothing was changed.",
                remedy="leave --vectors out.",
            )
        yield VectorRows(request.vectors)
        return
    model = settings.embed_model
    if facts["space"] == "terms" or not model:
        yield None
        return
    if model != facts["embedded_by"]:
        raise _other_model(path, facts["embedded_by"], model)
    if vector_source is not None:
        with vector_source(path) as vectors:
            yield vectors
        return
    with embedding_model(model, settings, path, bill, command="change") as embed:
        yield EmbeddedChanges(model, embed)


def _other_model(path: Path, embedded_by: str | None, model: str) -> TreeError:
    return TreeError(
        f"{path.name} holds vectors of {embedded_by or 'an unknown origin'}, not of {model}.",
        detail="Vectors of two models cannot be compared. Nothing was changed.",
        remedy=f"--embed {embedded_by}"
        if embedded_by
        else "--vectors FILE.npy with a row for each item.",
    )
