"""Zero-shot recommendations from a language model and a catalog file.

An *item* is one thing with an id, a title, text and attributes; a *catalog* is a collection of
items. The *item tree* is the clustered catalog: a *branch* is an inner node, a *leaf* a node that
holds items, and a *description* is the text of a node. A *history* is the item ids that a person
met, oldest first; a *profile* is what the judge knows about the person. A *judge* answers closed
questions: a language model at an *endpoint*, or the embedded similarity judge. A *stage* is
profile, recall, rank, rerank or describe; a *walk* is one descent of the tree; a *candidate* is a
recalled item that has not been ranked. A *trace* records questions and answers, *usage* is what
calls cost, and a *recommendation* is a list of items with reasons and cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unillmrec.building import BuildOptions, build
    from unillmrec.catalog import Columns, read_catalog
    from unillmrec.describing.run import describe
    from unillmrec.endpoint import OpenAIEndpoint
    from unillmrec.errors import UnillmrecError
    from unillmrec.items import Item
    from unillmrec.judge import Judge, LanguageModelJudge, SimilarityJudge
    from unillmrec.recommending.recommendation import Recommendation
    from unillmrec.recommending.recommender import Recommender
    from unillmrec.session import Session
    from unillmrec.stages import Options
    from unillmrec.store import ItemTree
    from unillmrec.updating.changer import TreeChanger
    from unillmrec.usage import Bill, Stage, Usage

__all__ = [
    "Bill",
    "BuildOptions",
    "Columns",
    "Item",
    "ItemTree",
    "Judge",
    "LanguageModelJudge",
    "OpenAIEndpoint",
    "Options",
    "Recommendation",
    "Recommender",
    "Session",
    "SimilarityJudge",
    "Stage",
    "TreeChanger",
    "UnillmrecError",
    "Usage",
    "build",
    "describe",
    "read_catalog",
]

# Names are looked up when they are first used: `import unillmrec` costs nothing.
_HOMES = {
    "Bill": "usage",
    "BuildOptions": "building",
    "Columns": "catalog",
    "Item": "items",
    "ItemTree": "store",
    "Judge": "judge",
    "LanguageModelJudge": "judge",
    "OpenAIEndpoint": "endpoint",
    "Options": "stages",
    "Recommendation": "recommending.recommendation",
    "Recommender": "recommending.recommender",
    "Session": "session",
    "SimilarityJudge": "judge",
    "Stage": "usage",
    "TreeChanger": "updating.changer",
    "UnillmrecError": "errors",
    "Usage": "usage",
    "build": "building",
    "describe": "describing.run",
    "read_catalog": "catalog",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("unillmrec")
    if name not in _HOMES:
        raise AttributeError(f"module 'unillmrec' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"unillmrec.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
