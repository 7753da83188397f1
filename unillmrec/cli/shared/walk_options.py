"""The flags that say how a recommendation is made and what it may take, for all who make one."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import typer

WALK = "The walk"
BUDGET = "The budget"
# The names of the parameters, as functions have them.
OPTIONS = (
    *("limit", "walk", "branches", "leaves", "shown", "candidates", "whole_leaves"),
    *("path_score", "interests", "variety", "most_per_branch", "rerank", "seed"),
    "votes",
)
LIMITS = ("max_tokens", "max_calls", "deadline", "max_cost")

MaxTokens: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--max-tokens",
        help="The most tokens, prompts and answers together; the best list comes back anyway.",
        metavar="N",
        min=0,
        rich_help_panel=BUDGET,
    ),
]
MaxCalls: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--max-calls",
        help="The most requests, repeated ones included; 0 asks nobody.",
        metavar="N",
        min=0,
        rich_help_panel=BUDGET,
    ),
]
Deadline: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--deadline",
        help="The most seconds.",
        metavar="SECONDS",
        min=0,
        rich_help_panel=BUDGET,
    ),
]
MaxCost: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--max-cost",
        help="The most money, where the model's price is known.",
        metavar="AMOUNT",
        min=0,
        rich_help_panel=BUDGET,
    ),
]
Walk: TypeAlias = Annotated[
    Literal["auto", "best-first", "beam", "depth-first", "hybrid", "retrieve"],
    typer.Option(
        "--walk",
        help="best-first opens the best branches; beam takes the fewest rounds; depth-first is "
        "the paper's; hybrid asks about the nearest leaves, retrieve about no branch; auto "
        "decides.",
        metavar="ORDER",
        rich_help_panel=WALK,
    ),
]
Branches: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--branches",
        help="How many branches are opened (of each level, for beam). Default: the root, and 4 "
        "for each level below.",
        metavar="N",
        min=1,
        rich_help_panel=WALK,
    ),
]
WholeLeaves: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--whole-leaves",
        help="Show each leaf whole instead of the nearest items of all.",
        rich_help_panel=WALK,
    ),
]
PathScore: TypeAlias = Annotated[
    Literal["absolute", "relative", "probability"] | None,
    typer.Option(
        "--path-score",
        help="What the best branch is: the judge's own score, or what the path to it adds up to "
        "(the default where the judge gives only probabilities); with probability and whole "
        "leaves, a walk can end certified.",
        metavar="absolute|relative|probability",
        rich_help_panel=WALK,
    ),
]
Interests: TypeAlias = Annotated[
    Literal["together", "apart"],
    typer.Option(
        "--interests",
        help="Whether each interest of a person walks by itself.",
        metavar="together|apart",
        rich_help_panel=WALK,
    ),
]
Leaves: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--leaves",
        help="How many leaves are gathered. Default: 30, or 12 whole ones.",
        metavar="N",
        min=1,
        rich_help_panel=WALK,
    ),
]
Shown: TypeAlias = Annotated[
    int,
    typer.Option(
        "--show",
        help="How many of their items the judge sees.",
        metavar="N",
        min=1,
        rich_help_panel=WALK,
    ),
]
Candidates: TypeAlias = Annotated[
    int,
    typer.Option(
        "--candidates",
        help="How many of these are ranked.",
        metavar="N",
        min=1,
        rich_help_panel=WALK,
    ),
]
Variety: TypeAlias = Annotated[
    float,
    typer.Option(
        "--variety",
        help="0 takes the best fits, 1 the most different items.",
        metavar="0…1",
        min=0,
        max=1,
        rich_help_panel=WALK,
    ),
]
MostPerBranch: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--most-per-branch",
        help="The most items from one branch below the root.",
        metavar="N",
        min=1,
        rich_help_panel=WALK,
    ),
]
Rerank: TypeAlias = Annotated[
    Literal["tree", "model", "none"],
    typer.Option(
        "--rerank",
        help="Who sees to variety: distances in the tree, the judge, or nobody.",
        metavar="tree|model|none",
        rich_help_panel=WALK,
    ),
]
Seed: TypeAlias = Annotated[
    int,
    typer.Option(
        "--seed",
        help="Turns the lists the judge reads: the same seed, the same requests.",
        metavar="N",
        rich_help_panel=WALK,
    ),
]
Votes: TypeAlias = Annotated[
    str,
    typer.Option(
        "--votes",
        help="How often a model is asked about branches, each time in another order; auto: again "
        "where it was close.",
        metavar="N|auto",
        rich_help_panel=WALK,
    ),
]
