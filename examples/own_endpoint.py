"""Plug in a model of your own: any object with `model`, `name` and `complete`.

The model here is a stand-in that picks the choices which share words with the person. Yours
would send `request.messages` somewhere and return what came back.

Run: python examples/own_endpoint.py
"""

import tempfile
from pathlib import Path

from unillmrec import (
    ItemTree,
    LanguageModelJudge,
    Recommender,
    SimilarityJudge,
    Usage,
    build,
    read_catalog,
)
from unillmrec.demo import books
from unillmrec.endpoint import Reply, Request
from unillmrec.judge import CONTRACTS, PromptWriter
from unillmrec.prompts import PromptSet
from unillmrec.testing import sensible_answer
from unillmrec.tokens import TokenCounter


class MyEndpoint:
    """An endpoint without a server."""

    model = "my-model"
    name = "in this process"

    def complete(self, request: Request) -> Reply:
        """Answer one request, and report what it cost."""
        text = sensible_answer(request.messages[-1].content)
        prompt = sum(len(message.content) for message in request.messages) // 4
        usage = Usage(calls=1, prompt=prompt, completion=len(text) // 4)
        return Reply(text, usage, "text", finish="stop", model=self.model, seconds=0.0)


def main() -> None:
    """Print five books, and what each stage has cost."""
    tree_file = Path(tempfile.mkdtemp()) / "books.tree"
    with books() as catalog:
        build(read_catalog(catalog), tree_file)

    with ItemTree.open(tree_file) as tree:
        writer = PromptWriter(PromptSet.load(CONTRACTS), TokenCounter.for_model("my-model"))
        judge = LanguageModelJudge(MyEndpoint(), writer, SimilarityJudge(tree))
        recommendation = Recommender(tree, judge).recommend(like="whales and the sea", limit=5)

    for each in recommendation.items:
        print(each.place, each.item.title)
    for stage, usage in recommendation.usage.items():
        print(f"{stage}: {usage.calls} calls, {usage.prompt} prompt tokens")


if __name__ == "__main__":
    main()
