"""Build a tree, or plan a build, as the flags of `unillmrec build` say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import typer

from unillmrec.building import BuildOptions, BuildReport, Sharding, build
from unillmrec.building.given_vectors import EmbeddedVectors, GivenVectors, VectorFile
from unillmrec.catalog import CatalogReader
from unillmrec.cli.build.embedding import embedding_model
from unillmrec.cli.build.request import BuildRequest
from unillmrec.cli.flags.catalog import column_flags, open_catalog
from unillmrec.cli.flags.settings import settings_of
from unillmrec.cli.shared.progress import build_progress
from unillmrec.settings import Settings
from unillmrec.store.staging.staging import check_target
from unillmrec.tree.growing import Bounds
from unillmrec.usage import Bill


@dataclass(frozen=True, slots=True)
class BuildOutcome:
    """The report of a build, its catalog, and what the embeddings cost."""

    report: BuildReport
    reader: CatalogReader
    bill: Bill
    size: int
    embedded_by: str | None


def build_options(request: BuildRequest, given: GivenVectors | None) -> BuildOptions:
    """Return the options of the build that the flags ask for."""
    # A leaf may exceed its target by two thirds, like 50 items for a target of 30.
    bounds = Bounds(
        fan_out=request.fan_out,
        leaf_target=request.leaf_size,
        leaf_capacity=round(request.leaf_size * 5 / 3),
    )
    return BuildOptions(
        seed=request.seed,
        bounds=bounds,
        popularity=request.popularity,
        given=given,
        workers=request.workers,
        overwrite=request.overwrite,
        tree=request.tree,
        column_flags=column_flags(request),
    )


def build_tree(request: BuildRequest) -> BuildOutcome:
    """Build a tree, with progress bars.

    Raises:
        CatalogError: the catalog cannot be used.
        TreeError: it holds no items, or the vectors do not fit.
        StoreError: the file exists or cannot be written.
    """
    path, settings, bill = request.path, settings_of(request), Bill()
    reader = open_catalog(request.catalog, request)
    if request.vectors and request.embed:
        raise typer.TyperException("--vectors and --embed exclude each other; give one.")
    # Fail before anything is read or paid for; the build reports what cannot be checked yet.
    with suppress(OSError):
        check_target(path, overwrite=request.overwrite)
    with _vectors(request, settings, bill) as given, build_progress(reader) as progress:
        options = build_options(request, given)
        report = build(reader, path, options, progress, sharding=_sharding(request))
    return BuildOutcome(report, reader, bill, path.stat().st_size, given.model if given else None)


def _sharding(request: BuildRequest) -> Sharding | None:
    """Return how to divide the build, or None to build in memory."""
    if not (request.engine or request.work):
        return None
    return Sharding(request.work, request.engine or "processes")


@contextmanager
def _vectors(
    request: BuildRequest, settings: Settings, bill: Bill
) -> Iterator[GivenVectors | None]:
    """Yield the vectors to cluster, or None to cluster words."""
    if request.vectors:
        yield VectorFile(request.vectors)
    elif settings.embed_model:
        model = settings.embed_model
        with embedding_model(model, settings, request.path, bill, command="build") as embed:
            yield EmbeddedVectors(model, embed)
    else:
        yield None
