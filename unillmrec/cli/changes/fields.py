"""The fields of the JSON object that every changing command prints."""

FIELDS = (
    ("tree, items", "the file, and how many items it holds now"),
    ("inserted, updated, deleted", "number of items"),
    ("unchanged, ignored", "items that already were as wanted, and ids that are not in the tree"),
    ("splits, merges, regrown", "nodes split, merged and rebuilt"),
    ("refreshed, stale", "nodes with new keywords; model-written descriptions out of date"),
    ("seconds", "how long it took"),
    ("skipped_count, skipped", "skipped rows: a list of line and problem"),
    ("usage", "by stage, and total; null is unknown"),
    (
        "with --plan",
        "plan by stage, and total, as for recommend; tree, inserted, updated, deleted, nodes "
        "(to describe again), before (the plan without the change), model, currency, counted, "
        "notes",
    ),
)
