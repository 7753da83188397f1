"""Zero-shot recommendations from a language model and a catalog file.

Glossary: an *item* is one thing with an id, a title, text and attributes; a *catalog* the
items by id; the *item tree* says where each item sits. A *branch* is an inner node, a *leaf*
a node that holds items; a *description* is what a node says about itself. A *history* is the
items a person met, oldest first; a *profile* what a judge is told about the person. A
*judge* answers closed questions: a language model at an *endpoint*, or the embedded
similarity judge. A *stage* is profile, recall, rank, rerank or describe; a *walk* one descent
of the tree; a *candidate* a recalled item that is not ranked yet; a *trace* what was asked and
answered; *usage* what calls cost; a *recommendation* items in order, why, and at what cost.
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
