"""A build as the command line asks for it: columns, vectors, progress, what it cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from unillmrec.catalog import CatalogReader, Columns, OnDuplicate, OnError, read_catalog
from unillmrec.cli.asking import announced, open_log
from unillmrec.cli.progress import build_progress
from unillmrec.cli.render import note
from unillmrec.indexing import BuildOptions, BuildReport, build
from unillmrec.indexing.building import TreeKind
from unillmrec.indexing.given import EmbeddedVectors, GivenVectors, VectorFile
from unillmrec.judge.making import make_endpoint
from unillmrec.settings import Settings
from unillmrec.tree.growing import Bounds
from unillmrec.usage import Bill, Stage
from unillmrec.usage_log import LoggedEndpoint

ColumnFlags = tuple[str | None, str | None, Sequence[str] | None, Sequence[str] | None, str | None]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the flags say about the tree itself."""

    fan_out: int
    leaf_size: int
    popularity: str | None
    vectors: Path | None
    seed: int
    workers: int
    overwrite: bool
    tree: TreeKind

    def options(self, given: GivenVectors | None) -> BuildOptions:
        """Return the options of the build."""
        # A leaf may outgrow its target by two thirds, as with the usual 30 and 50.
        capacity = round(self.leaf_size * 5 / 3)
        bounds = Bounds(fan_out=self.fan_out, leaf_target=self.leaf_size, leaf_capacity=capacity)
        return BuildOptions(
            seed=self.seed,
            bounds=bounds,
            popularity=self.popularity,
            given=given,
            workers=self.workers,
            overwrite=self.overwrite,
            tree=self.tree,
        )


@dataclass(frozen=True, slots=True)
class Built:
    """What was built, from what, and what the embeddings cost."""

    report: BuildReport
    reader: CatalogReader
    bill: Bill
    size: int
    embedded_by: str | None


def open_catalog(
    source: str,
    columns: ColumnFlags,
    format_name: str | None,
    on_error: OnError,
    on_duplicate: OnDuplicate,
    as_text: Sequence[str] | None,
) -> CatalogReader:
    """Open a catalog the way the flags say."""
    item_id, title, text, path, separator = columns
    return read_catalog(
        source,
        format=format_name,
        columns=Columns(
            item_id, title, tuple(text) if text else None, tuple(path) if path else None, separator
        ),
        on_error=on_error,
        on_duplicate=on_duplicate,
        as_text=tuple(as_text or ()),
    )


def build_tree(
    reader: CatalogReader, path: Path, wishes: Wishes, flags: Mapping[str, object]
) -> Built:
    """Build a tree, showing how far it is."""
    settings = Settings.resolve(flags)
    if wishes.vectors and flags["embed_model"]:
        raise typer.TyperException("--vectors and --embed both say what to cluster; give one.")
    bill = Bill()
    with _given(path, wishes, settings, bill) as given, build_progress(reader) as progress:
        report = build(reader, path, wishes.options(given), progress)
    return Built(report, reader, bill, path.stat().st_size, given.model if given else None)


@contextmanager
def _given(
    path: Path, wishes: Wishes, settings: Settings, bill: Bill
) -> Iterator[GivenVectors | None]:
    """Give the vectors to cluster, if it is not to be the words."""
    if wishes.vectors:
        yield VectorFile(wishes.vectors)
        return
    if not settings.embed_model:
        yield None
        return
    endpoint = announced(make_endpoint(settings, settings.embed_model))
    origin = settings.origin("embed_model")
    note(f"The items' text goes to {endpoint.model} at {endpoint.name} ({origin}).")
    with open_log(path, settings, "build") as log, endpoint:
        logged = LoggedEndpoint(endpoint, log)

        def embed(texts: Sequence[str]) -> list[list[float]]:
            vectors, usage = logged.embed(texts)
            bill.add(Stage.EMBED, usage)
            return vectors

        yield EmbeddedVectors(settings.embed_model, embed)
