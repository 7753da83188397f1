"""Changes as the command line asks for them: which items, with what vectors, how far it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import typer
from rich.console import Console
from rich.text import Text

from unillmrec.building import Progress
from unillmrec.catalog import CatalogReader, Columns, OnDuplicate, OnError, read_catalog
from unillmrec.catalog.reader import catalog_from_items
from unillmrec.cli.build.run import ColumnFlags
from unillmrec.cli.shared.histories import ids_in
from unillmrec.cli.shared.output import counted, note
from unillmrec.cli.shared.session import announced, open_log
from unillmrec.endpoint import instrument
from unillmrec.errors import CatalogError, TreeError
from unillmrec.judge.from_settings import build_endpoint, find_price
from unillmrec.settings import Settings
from unillmrec.store import STALE_SHARE, ItemTree
from unillmrec.updating.applier import ChangeReport
from unillmrec.updating.change_vectors import ChangedVectors, EmbeddedChanges, VectorRows
from unillmrec.updating.changer import TreeChanger
from unillmrec.usage import Bill, Stage
from unillmrec.usage_log import LoggedEndpoint

Kind: TypeAlias = Literal["insert", "update", "upsert", "sync"]
StandIn: TypeAlias = Callable[[Path], AbstractContextManager[ChangedVectors]]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the flags say about a change, and about the vectors that it may need."""

    tree: Path
    vectors: Path | None = None
    batch: int | None = None
    ignore_missing: bool = False
    flags: Mapping[str, object] | None = None

    def elsewhere(self, tree: Path) -> Wishes:
        """Return the same wishes about another tree."""
        return replace(self, tree=tree)


@dataclass(frozen=True, slots=True)
class Changed:
    """What was changed, how many items there are now, how many summaries are out of date."""

    tree: Path
    report: ChangeReport
    items: int
    stale: int
    reader: CatalogReader | None
    bill: Bill


@dataclass(frozen=True, slots=True)
class Catalog:
    """Where items come from: a file or `-`, or one item as JSON; and how it is read."""

    source: str | None
    item: str | None
    columns: ColumnFlags
    as_text: Sequence[str] | None
    format: str | None
    on_error: OnError
    on_duplicate: OnDuplicate

    def opened(self, asked: Mapping[str, Any]) -> CatalogReader:
        """Open it; what the flags leave open is as it was *asked* for when the tree was built."""
        names = ("id", "title", "text", "path", "separator")
        said = dict(zip(names, self.columns, strict=True))
        merged: dict[str, Any] = {name: said[name] or asked.get(name) for name in names}
        text, path = merged["text"], merged["path"]
        columns = Columns(
            merged["id"],
            merged["title"],
            tuple(text) if text else None,
            tuple(path) if path else None,
            merged["separator"],
        )
        how: dict[str, Any] = {
            "columns": columns,
            "on_error": self.on_error,
            "on_duplicate": self.on_duplicate,
            "as_text": tuple(self.as_text or asked.get("as_text") or ()),
        }
        if self.item is not None:
            return catalog_from_items([_row(self.item)], name="--item", **how)
        if self.source is None:
            raise typer.TyperException("Give a file of items, - for standard input, or --item.")
        return read_catalog(self.source, format=self.format, **how)


def _row(text: str) -> dict[str, object]:
    try:
        row = json.loads(text)
    except ValueError as error:
        raise CatalogError(
            f"--item is not JSON: {error}.", remedy="""--item '{"id": "x1", "title": "…"}'"""
        ) from error
    if not isinstance(row, dict):
        raise CatalogError("--item is no JSON object.", remedy="an object with an id and a title.")
    return row


def change_items(
    kind: Kind, catalog: Catalog, wishes: Wishes, stand_in: StandIn | None = None
) -> Changed:
    """Insert, update, upsert or sync what *catalog* holds.

    *stand_in* gives the vectors in place of the endpoint that would be asked for them.
    """
    with ItemTree.open(wishes.tree) as tree:
        facts = tree.facts
    reader = catalog.opened(facts.get("asked_columns") or {})
    bill = Bill()
    with (
        _given(wishes, facts, bill, stand_in) as given,
        change_progress() as progress,
        TreeChanger(wishes.tree, batch=wishes.batch, given=given, progress=progress) as changer,
    ):
        if kind == "update":
            report = changer.update(reader, ignore_missing=wishes.ignore_missing)
        else:
            report = getattr(changer, kind)(reader)
        return Changed(wishes.tree, report, len(changer.tree), _stale(changer.tree), reader, bill)


def delete_items(ids: Sequence[str] | None, source: str | None, wishes: Wishes) -> Changed:
    """Delete items by their ids."""
    if bool(ids) == bool(source):
        raise typer.TyperException("Give ids, or --ids FILE.")
    wanted = ids or _ids_from(str(source))
    with (
        change_progress() as progress,
        TreeChanger(wishes.tree, batch=wishes.batch, progress=progress) as changer,
    ):
        report = changer.delete(wanted, ignore_missing=wishes.ignore_missing)
        return Changed(wishes.tree, report, len(changer.tree), _stale(changer.tree), None, Bill())


def _ids_from(source: str) -> Sequence[str]:
    label = "standard input" if source == "-" else source
    try:
        content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        return ids_in(content.decode("utf-8-sig"), label)
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise CatalogError(f"{label} cannot be read: {reason}.") from error


def _stale(tree: ItemTree) -> int:
    """Return how many summaries are out of date; only a model writes any."""
    if not tree.facts.get("described_by"):
        return 0
    query = (
        "SELECT count(*) FROM node WHERE stale > ? * size"
        " AND json_extract(description, '$.summary') != ''"
    )
    return int(tree.rows(query, (STALE_SHARE,))[0][0])


@contextmanager
def change_progress() -> Iterator[Progress]:
    """Give what shows how many items are done."""
    if not sys.stderr.isatty():
        yield lambda phase, done, total: None
        return
    with Console(stderr=True).status(Text("reading", style="dim")) as status:

        def report(phase: str, done: int, total: int | None) -> None:
            told = f"{phase}: {counted(done, 'item')}" if done else phase
            status.update(Text(told, style="dim"))

        yield report


@contextmanager
def _given(
    wishes: Wishes, facts: Mapping[str, Any], bill: Bill, stand_in: StandIn | None
) -> Iterator[ChangedVectors | None]:
    """Give the vectors that new items need, in a tree that was built from given ones."""
    settings = Settings.resolve(wishes.flags or {})
    if wishes.vectors is not None:
        if facts["space"] == "terms":
            raise TreeError(
                f"{wishes.tree.name} was built from words; it takes no vectors.",
                detail="Nothing was changed.",
                remedy="leave --vectors out.",
            )
        yield VectorRows(wishes.vectors)
        return
    if facts["space"] == "terms" or not settings.embed_model:
        yield None
        return
    if settings.embed_model != facts["embedded_by"]:
        raise TreeError(
            f"{wishes.tree.name} was embedded by {facts['embedded_by'] or 'somebody else'}, "
            f"not by {settings.embed_model}.",
            detail="Vectors of two models cannot be compared. Nothing was changed.",
            remedy=f"--embed {facts['embedded_by']}"
            if facts["embedded_by"]
            else "--vectors FILE.npy with a row for each item.",
        )
    if stand_in is not None:
        with stand_in(wishes.tree) as vectors:
            yield vectors
        return
    endpoint = announced(build_endpoint(settings, settings.embed_model))
    note(f"The items' text goes to {endpoint.model} at {endpoint.name}.")
    with open_log(wishes.tree, settings, "change") as log, endpoint:
        logged = LoggedEndpoint(instrument(endpoint), log, find_price(settings, endpoint.model))

        def embed(texts: Sequence[str]) -> list[list[float]]:
            vectors, usage = logged.embed(texts)
            bill.add(Stage.EMBED, usage)
            return vectors

        yield EmbeddedChanges(settings.embed_model, embed)
