"""`unillmrec build`: make a tree file from a catalog file."""

from __future__ import annotations

from unillmrec.cli.build.request import BuildRequest

EXAMPLES = """\
unillmrec build films.jsonl
unillmrec build shop.csv.gz -o shop.tree --id sku --title name --text blurb --path category
zcat dump.jsonl.gz | unillmrec build - -o dump.tree --on-error skip
unillmrec build films.jsonl --embed text-embedding-3-small --plan
unillmrec build films.jsonl --embed text-embedding-3-small
unillmrec build everything.jsonl.gz --work everything.work
"""

FIELDS = (
    ("path, bytes", "the tree file and its size"),
    ("items, leaves, branches, depth", "size and depth of the tree"),
    ("smallest_leaf, largest_leaf", "in items"),
    ("most_children", "the largest number of children of a branch"),
    ("terms", "number of terms that the vectors are made of"),
    ("seconds", "by phase, and total"),
    ("catalog", "name, columns, skipped_count, skipped: a list of line and problem"),
    ("paths", "statistics of the category paths, or null"),
    ("embedded_by", "the model that the vectors come from, or null"),
    ("usage", "by stage, and total; null is unknown"),
    (
        "with --plan",
        "plan by stage, and total, as for recommend; path, items, nodes, embedded_by, model, "
        "currency, counted, notes",
    ),
)


def build(request: BuildRequest) -> None:
    """Build an item tree from a catalog.

    Common column names are recognised, and all other columns become attributes. Nothing is sent
    unless --embed is given or set.
    """
    from unillmrec.cli.build.plan import plan_build
    from unillmrec.cli.build.run import build_tree
    from unillmrec.cli.build.show import show_build
    from unillmrec.cli.shared.plan_output import show_plan

    if request.plan:
        show_plan(plan_build(request), as_json=request.json)
    else:
        show_build(build_tree(request), as_json=request.json)
