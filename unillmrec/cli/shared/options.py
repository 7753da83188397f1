"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from unillmrec.settings import AskChoice, JudgeChoice

CATALOG_PANEL = "The catalog"
PERSON_PANEL = "The person"
MODEL_PANEL = "The model"

TreeFile: TypeAlias = Annotated[
    Path, typer.Argument(metavar="FILE", help="A tree, as `unillmrec build` writes it.")
]
Json: TypeAlias = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object instead."),
]
Judge: TypeAlias = Annotated[
    JudgeChoice | None,
    typer.Option(
        "--judge",
        help="Who answers: the model at the endpoint, or the similarity of vectors. "
        "auto takes the endpoint if one is set.",
        rich_help_panel=MODEL_PANEL,
        metavar="auto|endpoint|embedded",
    ),
]
Model: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="The model, as the endpoint names it. (UNILLMREC_MODEL)",
        rich_help_panel=MODEL_PANEL,
        metavar="NAME",
    ),
]
BaseUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        help="An OpenAI-compatible endpoint. (OPENAI_BASE_URL)",
        rich_help_panel=MODEL_PANEL,
        metavar="URL",
    ),
]
Ask: TypeAlias = Annotated[
    AskChoice | None,
    typer.Option(
        "--ask",
        help="How the model is asked: by the probabilities of letters, with a JSON schema, for a "
        "JSON object, for text. auto takes the best that works. (UNILLMREC_ASK)",
        rich_help_panel=MODEL_PANEL,
        metavar="auto|labels|schema|object|text",
    ),
]
Prompts: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--prompts",
        help="A folder whose prompts replace the bundled ones. (UNILLMREC_PROMPTS)",
        rich_help_panel=MODEL_PANEL,
        metavar="DIR",
    ),
]
UsageLogFile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--usage-log",
        help="Where calls are logged, or off. Default: beside the tree. (UNILLMREC_USAGE_LOG)",
        rich_help_panel=MODEL_PANEL,
        metavar="FILE|off",
    ),
]
TimeoutSeconds: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--timeout-seconds",
        help="How long one call may take. (UNILLMREC_TIMEOUT_SECONDS)",
        rich_help_panel=MODEL_PANEL,
        metavar="SECONDS",
    ),
]
Concurrency: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--concurrency",
        help="Calls in flight at the same time. (UNILLMREC_CONCURRENCY)",
        rich_help_panel=MODEL_PANEL,
        metavar="N",
    ),
]
History: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--history",
        help="Item ids, oldest first, with commas between them; or a file of them: JSON, JSONL, "
        "CSV, or one id a line; - is standard input.",
        metavar="ID,ID…|FILE",
        rich_help_panel=PERSON_PANEL,
    ),
]
Like: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--like",
        help="What is wanted, in words.",
        metavar="TEXT",
        rich_help_panel=PERSON_PANEL,
    ),
]

IdColumn: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--id", help="The column of the ids.", metavar="COLUMN", rich_help_panel=CATALOG_PANEL
    ),
]
TitleColumn: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--title",
        help="The column of the titles.",
        metavar="COLUMN",
        rich_help_panel=CATALOG_PANEL,
    ),
]
TextColumns: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--text",
        help="A column of text; may be repeated.",
        metavar="COLUMN",
        rich_help_panel=CATALOG_PANEL,
    ),
]
PathColumns: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--path",
        help="A column of categories; may be repeated, coarse to fine.",
        metavar="COLUMN",
        rich_help_panel=CATALOG_PANEL,
    ),
]
PathSeparator: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--path-separator",
        help="What parts the levels of a category path.",
        metavar="TEXT",
        rich_help_panel=CATALOG_PANEL,
    ),
]
AsText: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--as-text",
        help="A column whose values stay text though they look like numbers; may be repeated.",
        metavar="COLUMN",
        rich_help_panel=CATALOG_PANEL,
    ),
]
Format: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="jsonl, json, csv, tsv or parquet, where name and content do not tell.",
        metavar="NAME",
        rich_help_panel=CATALOG_PANEL,
    ),
]
OnError: TypeAlias = Annotated[
    Literal["stop", "skip"],
    typer.Option(
        "--on-error",
        help="What to do about a row that cannot be used.",
        metavar="stop|skip",
        rich_help_panel=CATALOG_PANEL,
    ),
]
OnDuplicate: TypeAlias = Annotated[
    Literal["stop", "keep-first"],
    typer.Option(
        "--on-duplicate",
        help="What to do about an id that is there already.",
        metavar="stop|keep-first",
        rich_help_panel=CATALOG_PANEL,
    ),
]
