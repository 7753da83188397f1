"""`unillmrec upsert`: insert what is new, update what is there."""

from __future__ import annotations

from unillmrec.cli.changes import options as change
from unillmrec.cli.shared import options as shared

EXAMPLES = """\
unillmrec upsert films.tree feed.jsonl
unillmrec upsert films.tree - --batch 1000 < feed.jsonl
"""
FIELDS = change.FIELDS


def upsert(
    file: shared.TreeFile,
    items: change.Items = None,
    item: change.OneItem = None,
    batch: change.Batch = None,
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
    """Insert the items that are new to a tree, and update the others."""
    from unillmrec.cli.changes.plan import change_or_plan
    from unillmrec.cli.changes.run import Catalog, Wishes

    columns = (id_column, title_column, text_columns, path_columns, path_separator)
    flags = {"embed_model": embed, "base_url": base_url, "usage_log": usage_log}
    source = Catalog(items, item, columns, as_text, format, on_error, on_duplicate)
    wishes = Wishes(file, vectors, batch, flags=flags)
    change_or_plan("upsert", source, wishes, plan=plan, as_json=json)
