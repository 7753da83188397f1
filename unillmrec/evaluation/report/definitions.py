"""What the figures of an evaluation mean, in a sentence each, for those who read its page."""

from __future__ import annotations


def definitions(at: int) -> list[tuple[str, str]]:
    """Return the names of figures, in the order of the tables, and what each one is."""
    return [
        (f"recall@{at}", f"the share of a person's held-out items that are in the list of {at}"),
        (
            f"ndcg@{at}",
            "the sum of 1/log2(rank + 1) over the held-out items in the list, divided by what it "
            f"would be with as many of them as there are, at most {at}, at its top",
        ),
        (f"mrr@{at}", "1/rank of the first held-out item in the list, 0 without one"),
        (
            f"hit@{at}",
            "whether a held-out item is in the list: with one of them, the same as recall",
        ),
        (
            "prompt, completion, money",
            "the tokens that a model reads and writes for one person, and what they cost",
        ),
        (
            "recalled",
            "the share of held-out items among the candidates, before they are ranked: no ranking "
            "can lift it",
        ),
        (f"coverage@{at}", "the share of the catalog that is in somebody's list"),
        (
            "intra-list distance",
            "1 less the cosine of the words of two items of a list, over all pairs of lists with "
            "two items or more",
        ),
        (
            "novelty",
            "-log2 of the share of people who met an item, in bits, over lists that have items",
        ),
        (
            "popularity lift",
            "how much more people met the items of a list than those of the person's history: 0 "
            "is as many, 1 twice as many; over lists that have items",
        ),
    ]
