"""Definitions of the metrics, for readers of the report page."""

from __future__ import annotations


def metric_definitions(at: int) -> list[tuple[str, str]]:
    """Return the names of the metrics with their definitions, in the order of the tables."""
    return [
        (f"recall@{at}", f"the share of a person's held-out items that are in the list of {at}"),
        (
            f"ndcg@{at}",
            "the sum of 1/log2(rank + 1) over the held-out items in the list, divided by the sum "
            f"of an ideal list, which begins with all of them (at most {at})",
        ),
        (f"mrr@{at}", "1/rank of the first held-out item in the list, 0 without one"),
        (
            f"hit@{at}",
            "whether any held-out item is in the list: if there is only one, the same as recall",
        ),
        (
            "prompt, completion, money",
            "the tokens that a model reads and writes for one person, and their cost",
        ),
        (
            "recalled",
            "the share of held-out items among the candidates before ranking: an upper bound of "
            "recall",
        ),
        (f"coverage@{at}", "the share of the catalog that is in any list"),
        (
            "intra-list distance",
            "1 minus the cosine of the words of two items, averaged over the pairs in each list "
            "with at least two items",
        ),
        (
            "novelty",
            "-log2 of the share of people with an item, in bits, averaged over lists with items",
        ),
        (
            "popularity lift",
            "how much more popular the items of a list are than those of the person's history: 0 "
            "is as popular, 1 twice as popular; over lists with items",
        ),
    ]
