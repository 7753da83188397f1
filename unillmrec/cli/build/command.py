"""`unillmrec build`: from a catalog file to a tree file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from unillmrec.cli.shared import options as shared

EXAMPLES = """\
unillmrec build films.jsonl
unillmrec build shop.csv.gz -o shop.tree --id sku --title name --text blurb --path category
zcat dump.jsonl.gz | unillmrec build - -o dump.tree --on-error skip
unillmrec build films.jsonl --embed text-embedding-3-small --plan
unillmrec build films.jsonl --embed text-embedding-3-small
unillmrec build everything.jsonl.gz --work everything.work
"""

FIELDS = (
    ("path, bytes", "the tree's file"),
    ("items, leaves, branches, depth", "how much is in it, and how deep"),
    ("smallest_leaf, largest_leaf", "in items"),
    ("most_children", "of one node"),
    ("terms", "how many words the vectors are made of"),
    ("seconds", "by phase, and total"),
    ("catalog", "name, columns, skipped_count, skipped: a list of line and problem"),
    ("paths", "what the category paths were like, or null"),
    ("embedded_by", "the model the vectors come from, or null"),
    ("usage", "by stage, and total; null is unknown"),
    (
        "with --plan",
        "plan by stage, and total, as that of recommend; path, items, nodes, embedded_by, model, "
        "currency, counted, notes",
    ),
)

Catalog: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="CATALOG", help="JSONL, JSON, CSV, TSV (each also .gz), Parquet; - is stdin."
    ),
]
Output: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        help="Where the tree goes. Default: CATALOG's name with .tree, in this folder.",
        metavar="FILE",
    ),
]
Tree: TypeAlias = Annotated[
    Literal["clusters", "paths", "paths+clusters"],
    typer.Option(
        "--tree",
        help="Where branches come from: like items, the catalog's category paths, or paths with "
        "clusters where they are too large or too small.",
        metavar="clusters|paths|paths+clusters",
    ),
]
Popularity: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--popularity", help="An attribute that counts how often an item was met.", metavar="NAME"
    ),
]
Vectors: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--vectors", help="Cluster these: an array, one row for each item.", metavar="FILE.npy"
    ),
]
Embed: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--embed",
        help="Cluster what this model at the endpoint makes of the items. (UNILLMREC_EMBED_MODEL)",
        metavar="MODEL",
    ),
]
FanOut: TypeAlias = Annotated[
    int,
    typer.Option("--fan-out", help="Branches of a branch, aimed at.", metavar="N", min=2, max=20),
]
LeafSize: TypeAlias = Annotated[
    int, typer.Option("--leaf-size", help="Items of a leaf, aimed at.", metavar="N", min=3, max=30)
]
Seed: TypeAlias = Annotated[
    int, typer.Option("--seed", help="The same seed gives the same tree.", metavar="N")
]
Workers: TypeAlias = Annotated[
    int,
    typer.Option("--workers", help="Processes; 0 is one for each core.", metavar="N", min=0),
]
Engine: TypeAlias = Annotated[
    Literal["local", "processes", "ray"] | None,
    typer.Option(
        "--engine",
        help="Build in shards, for catalogs that outgrow memory: one after the other, in "
        "processes, or on Ray, at RAY_ADDRESS or on this machine.",
        metavar="local|processes|ray",
    ),
]
Work: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--work",
        help="Build in shards, and keep what is finished here: a build that was killed goes on.",
        metavar="DIR",
    ),
]
Plan: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--plan",
        help="Say what --embed, and `unillmrec describe` afterwards, would cost; send and keep "
        "nothing.",
    ),
]
Overwrite: TypeAlias = Annotated[
    bool, typer.Option("--overwrite", help="Replace a tree that is there already.")
]


def build(
    catalog: Catalog,
    output: Output = None,
    id_column: shared.IdColumn = None,
    title_column: shared.TitleColumn = None,
    text_columns: shared.TextColumns = None,
    path_columns: shared.PathColumns = None,
    path_separator: shared.PathSeparator = None,
    as_text: shared.AsText = None,
    format: shared.Format = None,
    on_error: shared.OnError = "stop",
    on_duplicate: shared.OnDuplicate = "stop",
    tree: Tree = "clusters",
    popularity: Popularity = None,
    vectors: Vectors = None,
    embed: Embed = None,
    fan_out: FanOut = 16,
    leaf_size: LeafSize = 30,
    seed: Seed = 0,
    workers: Workers = 0,
    engine: Engine = None,
    work: Work = None,
    overwrite: Overwrite = False,
    plan: Plan = False,
    base_url: shared.BaseUrl = None,
    usage_log: shared.UsageLogFile = None,
    json: shared.Json = False,
) -> None:
    """Make an item tree of a catalog.

    Usual columns are found, others are attributes. Nothing is sent unless --embed is given or set.
    """
    from unillmrec.cli.build import run as building

    columns = (id_column, title_column, text_columns, path_columns, path_separator)
    path = output or default_output(catalog)
    reader = building.open_catalog(catalog, columns, format, on_error, on_duplicate, as_text)
    how = (fan_out, leaf_size, popularity, vectors, seed, workers, overwrite, tree)
    wishes = building.Wishes(*how, building.asked_columns(columns, as_text), engine, work)
    building.build_or_plan(reader, path, wishes, (embed, base_url, usage_log), (plan, json))


def default_output(catalog: str) -> Path:
    """Return the tree's file for a catalog: its name with another ending, in this folder."""
    if catalog == "-":
        raise typer.TyperException("A catalog from standard input has no name; give -o FILE.")
    name = Path(catalog).name.removesuffix(".gz")
    return Path(Path(name).stem + ".tree")
