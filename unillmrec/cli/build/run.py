"""A build as the command line asks for it: columns, vectors, progress, what it cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import typer

from unillmrec.building import BuildOptions, BuildReport, build
from unillmrec.building.backends import EngineName
from unillmrec.building.given_vectors import EmbeddedVectors, GivenVectors, VectorFile
from unillmrec.building.pipeline import TreeKind
from unillmrec.building.shards.run import build_in_shards
from unillmrec.building.shards.slicing import Sharding
from unillmrec.catalog import CatalogReader, Columns, OnDuplicate, OnError, read_catalog
from unillmrec.cli.shared.output import note
from unillmrec.cli.shared.progress import build_progress
from unillmrec.cli.shared.session import announced, open_log
from unillmrec.endpoint import instrument
from unillmrec.judge.from_settings import build_endpoint, find_price
from unillmrec.settings import Settings
from unillmrec.store.files import check_place
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
    asked: Mapping[str, object] | None = None
    engine: EngineName | None = None
    work: Path | None = None

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
            asked=self.asked,
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


def asked_columns(columns: ColumnFlags, as_text: Sequence[str] | None) -> dict[str, object]:
    """Return what was said about the columns, for those who change the tree later."""
    said = dict(zip(("id", "title", "text", "path", "separator"), columns, strict=True))
    return {name: value for name, value in {**said, "as_text": as_text}.items() if value}


def build_or_plan(
    reader: CatalogReader,
    path: Path,
    wishes: Wishes,
    flags: tuple[str | None, str | None, str | None],
    how: tuple[bool, bool],
) -> None:
    """Build a tree and show it, or say what it would cost; *how* is whether, and as JSON."""
    from unillmrec.cli.build.show import show_build
    from unillmrec.cli.changes.plan import plan_build
    from unillmrec.cli.shared.plan_output import show_plan

    plan, as_json = how
    if plan:
        show_plan(plan_build(reader, path, wishes, flags), as_json=as_json)
    else:
        show_build(build_tree(reader, path, wishes, flags), as_json=as_json)


def build_tree(
    reader: CatalogReader,
    path: Path,
    wishes: Wishes,
    flags: tuple[str | None, str | None, str | None],
) -> Built:
    """Build a tree, showing how far it is; *flags* are the embedding model, address and log."""
    embed, base_url, usage_log = flags
    settings = Settings.resolve(
        {"embed_model": embed, "base_url": base_url, "usage_log": usage_log}
    )
    if wishes.vectors and embed:
        raise typer.TyperException("--vectors and --embed both say what to cluster; give one.")
    # Before anything is read or paid for; what cannot be told now is told by the build.
    with suppress(OSError):
        check_place(path, overwrite=wishes.overwrite)
    bill = Bill()
    with _given(path, wishes, settings, bill) as given, build_progress(reader) as progress:
        options = wishes.options(given)
        if wishes.engine or wishes.work:
            sharding = Sharding(wishes.work, wishes.engine or "processes")
            report = build_in_shards(reader, path, options, sharding, progress)
        else:
            report = build(reader, path, options, progress)
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
    endpoint = announced(build_endpoint(settings, settings.embed_model))
    origin = settings.origin("embed_model")
    note(f"The items' text goes to {endpoint.model} at {endpoint.name} ({origin}).")
    with open_log(path, settings, "build") as log, endpoint:
        logged = LoggedEndpoint(instrument(endpoint), log, find_price(settings, endpoint.model))

        def embed(texts: Sequence[str]) -> list[list[float]]:
            vectors, usage = logged.embed(texts)
            bill.add(Stage.EMBED, usage)
            return vectors

        yield EmbeddedVectors(settings.embed_model, embed)
