"""Compare what a walk would cost with one prompt that holds the whole catalog. Nothing is sent.

Run: python examples/token_efficiency.py
"""

import tempfile
from pathlib import Path

from unillmrec import ItemTree, Recommender, SimilarityJudge, Usage, build, read_catalog
from unillmrec.demo import books, readers
from unillmrec.demo.walkthrough import flat_cost
from unillmrec.judge import CONTRACTS, EstimatingJudge, PromptWriter
from unillmrec.prompts import PromptSet
from unillmrec.tokens import TokenCounter


def main() -> None:
    """Print the prompt tokens of both, for the first reader of the demo."""
    tree_file = Path(tempfile.mkdtemp()) / "books.tree"
    with books() as catalog:
        build(read_catalog(catalog), tree_file)

    with ItemTree.open(tree_file) as tree:
        writer = PromptWriter(PromptSet.load(CONTRACTS), TokenCounter.for_model("gpt-4o"))
        judge = EstimatingJudge(SimilarityJudge(tree), writer)
        recommendation = Recommender(tree, judge).recommend(next(iter(readers())).history)
        walk = sum(recommendation.usage.values(), Usage())
        listing = flat_cost(tree, recommendation.profile, writer)

    print(f"walk: {walk.estimated_prompt:,} prompt tokens in {walk.calls} calls")
    print(f"whole catalog: {listing.estimated_prompt:,} prompt tokens in {listing.calls} call")


if __name__ == "__main__":
    main()
