"""Change the items of a tree as the flags say, with progress."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import typer

from unillmrec.building import OnProgress
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
from unillmrec.errors import CatalogError
from unillmrec.people.history import read_id_file
from unillmrec.store import ItemTree
from unillmrec.store.survey import count_stale_summaries
from unillmrec.system.untrusted_json import parse_json
from unillmrec.updating.applier import ChangeReport
from unillmrec.updating.change_vectors import (
    ChangedVectors,
    EmbeddedChanges,
    VectorRows,
    check_takes_vectors,
    embedding_model_for,
)
from unillmrec.updating.changer import TreeChanger
from unillmrec.usage import Bill

ChangeKind: TypeAlias = Literal["insert", "update", "upsert", "sync"]


@dataclass(frozen=True, slots=True)
class ChangeOutcome:
    """The report of a change, and the state of the tree after it."""

    tree: Path
    report: ChangeReport
    items: int
    stale: int
    reader: CatalogReader | None
    bill: Bill


def change_items(kind: ChangeKind, request: ChangeRequest) -> ChangeOutcome:
    """Insert, update, upsert or sync the items that *request* names.

    Raises:
        CatalogError: the items cannot be read.
        TreeError: an id is, or is not, in the tree; or vectors are missing.
    """
    path, bill = request.file, Bill()
    reader = open_items(request)
    with (
        _vectors(request, bill) as given,
        change_progress() as progress,
        TreeChanger(path, batch=batch_of(request), given=given, progress=progress) as changer,
    ):
        report = apply_change(kind, request, reader, changer)
        stale = _count_stale(changer.tree)
        return ChangeOutcome(path, report, len(changer.tree), stale, reader, bill)


def apply_change(
    kind: ChangeKind, request: ChangeRequest, reader: CatalogReader, changer: TreeChanger
) -> ChangeReport:
    """Make the change that *request* asks for with *changer*."""
    if isinstance(request, UpdateRequest):
        return changer.update(reader, ignore_missing=request.ignore_missing)
    report: ChangeReport = getattr(changer, kind)(reader)
    return report


def batch_of(request: ChangeRequest) -> int | None:
    """Return how many items are changed in one transaction; None is all of them."""
    return request.batch if isinstance(request, ItemsRequest) else None


def delete_items(request: DeleteRequest) -> ChangeOutcome:
    """Delete items by their ids.

    Raises:
        TreeError: an id is not in the tree.
    """
    if bool(request.ids) == bool(request.id_file):
        raise typer.TyperException("Give ids, or --ids FILE.")
    ids = request.ids or read_id_file(str(request.id_file))
    with (
        change_progress() as progress,
        TreeChanger(request.file, batch=request.batch, progress=progress) as changer,
    ):
        report = changer.delete(ids, ignore_missing=request.ignore_missing)
        stale = _count_stale(changer.tree)
        return ChangeOutcome(request.file, report, len(changer.tree), stale, None, Bill())


def open_items(request: ChangeRequest) -> CatalogReader:
    """Open the items; column flags that are not given are those of the build."""
    with ItemTree.open(request.file) as tree:
        remembered = tree.facts.get("asked_columns") or {}
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
        row = parse_json(text)
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
def change_progress() -> Iterator[OnProgress]:
    """Yield a callback that shows how many items are done."""
    with status_line("reading") as show:

        def report(phase: str, done: int, total: int | None) -> None:
            show(f"{phase}: {format_count(done, 'item')}" if done else phase)

        yield report


def file_vectors(request: ChangeRequest) -> VectorRows | None:
    """Return the vectors that --vectors names, if the flag is given.

    Raises:
        TreeError: the tree takes no vectors.
    """
    if request.vectors is None:
        return None
    with ItemTree.open(request.file) as tree:
        check_takes_vectors(tree)
    return VectorRows(request.vectors)


@contextmanager
def _vectors(request: ChangeRequest, bill: Bill) -> Iterator[ChangedVectors | None]:
    """Yield the vectors of new items, for a tree that was built from given vectors."""
    if rows := file_vectors(request):
        yield rows
        return
    settings = settings_of(request)
    with ItemTree.open(request.file) as tree:
        model = embedding_model_for(tree, settings.embed_model)
    if model is None:
        yield None
        return
    with embedding_model(model, settings, request.file, bill, command="change") as embed:
        yield EmbeddedChanges(model, embed)
