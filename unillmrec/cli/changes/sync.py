"""`unillmrec sync`: make a tree equal to a catalog."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from unillmrec.cli.changes import options as change
from unillmrec.cli.shared import options as shared

EXAMPLES = """\
unillmrec sync films.tree films.jsonl
zcat dump.jsonl.gz | unillmrec sync shop.tree - --on-error skip
"""
FIELDS = change.FIELDS

Catalog: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="CATALOG", help="JSONL, JSON, CSV, TSV (each also .gz), Parquet; - is stdin."
    ),
]


def sync(
    file: shared.TreeFile,
    catalog: Catalog,
    id_column: shared.IdColumn = None,
    title_column: shared.TitleColumn = None,
    text_columns: shared.TextColumns = None,
    path_columns: shared.PathColumns = None,
    path_separator: shared.PathSeparator = None,
    as_text: shared.AsText = None,
    format: shared.Format = None,
    on_error: shared.OnError = "stop",
    on_duplicate: shared.OnDuplicate = "stop",
    vectors: change.Vectors = None,
    embed: change.Embed = None,
    base_url: shared.BaseUrl = None,
    usage_log: shared.UsageLogFile = None,
    plan: change.Plan = False,
    json: shared.Json = False,
) -> None:
    """Make a tree hold exactly the items of a catalog.

    What is new is inserted, what is gone deleted, what differs updated: all of it in one
    transaction, and nothing else is touched. The columns are those of the build.
    """
    from unillmrec.cli.changes.plan import change_or_plan
    from unillmrec.cli.changes.run import Catalog as Source
    from unillmrec.cli.changes.run import Wishes

    columns = (id_column, title_column, text_columns, path_columns, path_separator)
    flags = {"embed_model": embed, "base_url": base_url, "usage_log": usage_log}
    source = Source(catalog, None, columns, as_text, format, on_error, on_duplicate)
    wishes = Wishes(file, vectors, flags=flags)
    change_or_plan("sync", source, wishes, plan=plan, as_json=json)
