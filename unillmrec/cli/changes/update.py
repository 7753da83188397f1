"""`unillmrec update`: replace items of a tree by new versions."""

from __future__ import annotations

from unillmrec.cli.changes import options as change
from unillmrec.cli.shared import options as shared

EXAMPLES = """\
unillmrec update films.tree changed.jsonl
unillmrec update films.tree feed.jsonl --ignore-missing
unillmrec update films.tree --item '{"id": "tt9", "title": "The Lighthouse", "year": 2019}'
"""
FIELDS = change.FIELDS


def update(
    file: shared.TreeFile,
    items: change.Items = None,
    item: change.OneItem = None,
    ignore_missing: change.IgnoreMissing = False,
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
    """Replace items that are in a tree by new versions, each as a whole.

    A change of numbers alone, such as a price, touches neither vectors nor descriptions. An
    id that is not there is an error, and nothing is changed.
    """
    from unillmrec.cli.changes.plan import change_or_plan
    from unillmrec.cli.changes.run import Catalog, Wishes

    columns = (id_column, title_column, text_columns, path_columns, path_separator)
    flags = {"embed_model": embed, "base_url": base_url, "usage_log": usage_log}
    source = Catalog(items, item, columns, as_text, format, on_error, on_duplicate)
    wishes = Wishes(file, vectors, batch, ignore_missing, flags)
    change_or_plan("update", source, wishes, plan=plan, as_json=json)
