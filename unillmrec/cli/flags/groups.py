"""Flags that several commands share, in the groups in which they are used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from unillmrec.cli.flags.declare import argument, option
from unillmrec.cli.flags.headings import CATALOG, MODEL, PERSON
from unillmrec.settings import AskChoice, JudgeChoice


def tree_file() -> Any:
    """Declare the argument that names a tree file."""
    return argument("FILE", help="A tree file, as written by `unillmrec build`.")


def json_flag() -> bool:
    """Declare --json."""
    return option("--json", help="Print one JSON object instead of text.", default=False)


def plan_flag() -> bool:
    """Declare --plan."""
    return option(
        "--plan", help="Print the estimated calls, tokens and cost; send nothing.", default=False
    )


def yes_flag() -> bool:
    """Declare --yes."""
    return option("--yes", "-y", help="Start without asking for confirmation.", default=False)


def trace_flag() -> Path | None:
    """Declare --trace."""
    return option(
        "--trace",
        help="Write every question and answer to this new file, as JSON Lines.",
        default=None,
        metavar="FILE",
    )


def where_flag() -> str | None:
    """Declare --where."""
    return option(
        "--where",
        help="Recommend only items that match, such as 'price < 20 and in_stock'.",
        default=None,
        metavar="PREDICATE",
    )


def exclude_flag() -> str | None:
    """Declare --exclude."""
    return option(
        "--exclude",
        help="Never recommend these items: ids separated by commas, or a file of ids.",
        default=None,
        metavar="ID,ID…|FILE",
    )


def base_url_flag() -> str | None:
    """Declare --base-url."""
    return option(
        "--base-url",
        help="Address of an OpenAI-compatible endpoint. (OPENAI_BASE_URL)",
        default=None,
        group=MODEL,
        metavar="URL",
    )


def model_file_flag() -> Path | None:
    """Declare --model-file."""
    return option(
        "--model-file",
        help="Run this model (GGUF) in the process itself, in place of --model and --base-url; "
        "needs unillmrec[local]. (UNILLMREC_MODEL_FILE)",
        default=None,
        group=MODEL,
        metavar="FILE",
    )


def history_flag() -> str | None:
    """Declare --history."""
    return option(
        "--history",
        help="Item ids, oldest first, separated by commas; or a file of ids (JSON, JSON Lines, "
        "CSV, or one id per line); - reads standard input.",
        default=None,
        group=PERSON,
        metavar="ID,ID…|FILE",
    )


def like_flag() -> str | None:
    """Declare --like."""
    return option(
        "--like",
        help="Describe in words what the person wants.",
        default=None,
        group=PERSON,
        metavar="TEXT",
    )


def prompts_flag() -> Path | None:
    """Declare --prompts."""
    return option(
        "--prompts",
        help="Folder of prompts that replace the bundled ones of the same name. "
        "(UNILLMREC_PROMPTS)",
        default=None,
        group=MODEL,
        metavar="DIR",
    )


def usage_log_flag() -> str | None:
    """Declare --usage-log."""
    return option(
        "--usage-log",
        help="Log every call to this file, or turn logging off. Default: a file beside the tree. "
        "(UNILLMREC_USAGE_LOG)",
        default=None,
        group=MODEL,
        metavar="FILE|off",
    )


@dataclass(frozen=True, kw_only=True)
class PersonFlags:
    """Whom to recommend to."""

    history: str | None = history_flag()
    like: str | None = like_flag()
    profile: str | None = option(
        "--profile",
        help="Use this profile text and skip the profile call.",
        default=None,
        group=PERSON,
        metavar="TEXT",
    )


@dataclass(frozen=True, kw_only=True)
class JudgeFlag:
    """Who answers the questions of a walk."""

    judge: JudgeChoice | None = option(
        "--judge",
        help="Choose who answers: the model at the endpoint, or the embedded judge, which "
        "compares vectors. auto uses the endpoint if one is set.",
        default=None,
        group=MODEL,
        metavar="auto|endpoint|embedded",
    )


@dataclass(frozen=True, kw_only=True)
class EndpointFlags:
    """Which model to call, and where."""

    model: str | None = option(
        "--model",
        help="Name of the model at the endpoint. (UNILLMREC_MODEL)",
        default=None,
        group=MODEL,
        metavar="NAME",
    )
    model_file: Path | None = model_file_flag()
    base_url: str | None = base_url_flag()
    prompts: Path | None = prompts_flag()
    timeout_seconds: float | None = option(
        "--timeout-seconds",
        help="Give up on a call after this many seconds. Default: 60. (UNILLMREC_TIMEOUT_SECONDS)",
        default=None,
        group=MODEL,
        metavar="SECONDS",
    )


@dataclass(frozen=True, kw_only=True)
class CallFlags(EndpointFlags):
    """How many calls to make at a time, and where to log them."""

    concurrency: int | None = option(
        "--concurrency",
        help="Make at most this many calls at a time. Default: 8. (UNILLMREC_CONCURRENCY)",
        default=None,
        group=MODEL,
        metavar="N",
    )
    usage_log: str | None = usage_log_flag()


@dataclass(frozen=True, kw_only=True)
class ModelFlags(CallFlags):
    """How to ask the model."""

    ask: AskChoice | None = option(
        "--ask",
        help="Ask by the probabilities of letters, with a JSON schema, for a JSON object, or for "
        "text. auto uses the best that the endpoint supports. (UNILLMREC_ASK)",
        default=None,
        group=MODEL,
        metavar="auto|labels|schema|object|text",
    )


@dataclass(frozen=True, kw_only=True)
class ReplyFlags:
    """Where replies are stored, and where they come from if not from the endpoint."""

    record: Path | None = option(
        "--record",
        help="Write every request and its reply to this new file, for --replay.",
        default=None,
        group=MODEL,
        metavar="FILE",
    )
    replay: Path | None = option(
        "--replay",
        help="Answer from a file written by --record; send nothing.",
        default=None,
        group=MODEL,
        metavar="FILE",
    )
    cache: Path | None = option(
        "--cache",
        help="Keep replies in this file, and pay for the same request only once.",
        default=None,
        group=MODEL,
        metavar="FILE",
    )


@dataclass(frozen=True, kw_only=True)
class CatalogFlags:
    """How to read a catalog file."""

    id_column: str | None = option(
        "--id", help="Column of the item ids.", default=None, group=CATALOG, metavar="COLUMN"
    )
    title_column: str | None = option(
        "--title", help="Column of the titles.", default=None, group=CATALOG, metavar="COLUMN"
    )
    text_columns: list[str] | None = option(
        "--text",
        help="Column of text; may be repeated.",
        default=None,
        group=CATALOG,
        metavar="COLUMN",
    )
    path_columns: list[str] | None = option(
        "--path",
        help="Column of categories; may be repeated, from coarse to fine.",
        default=None,
        group=CATALOG,
        metavar="COLUMN",
    )
    path_separator: str | None = option(
        "--path-separator",
        help="Text between the levels of a category path.",
        default=None,
        group=CATALOG,
        metavar="TEXT",
    )
    as_text: list[str] | None = option(
        "--as-text",
        help="Column whose values stay text even if they look like numbers; may be repeated.",
        default=None,
        group=CATALOG,
        metavar="COLUMN",
    )
    format: str | None = option(
        "--format",
        help="File format: jsonl, json, csv, tsv or parquet. Default: detected from the name and "
        "the content.",
        default=None,
        group=CATALOG,
        metavar="NAME",
    )
    on_error: Literal["stop", "skip"] = option(
        "--on-error",
        help="Stop at a row that cannot be used, or skip it.",
        default="stop",
        group=CATALOG,
        metavar="stop|skip",
    )
    on_duplicate: Literal["stop", "keep-first"] = option(
        "--on-duplicate",
        help="Stop at an id that occurred before, or keep its first row.",
        default="stop",
        group=CATALOG,
        metavar="stop|keep-first",
    )
