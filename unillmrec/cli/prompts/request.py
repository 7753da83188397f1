"""What the flags of the `unillmrec prompts` commands ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unillmrec.cli.flags.declare import argument
from unillmrec.cli.flags.groups import json_flag, prompts_flag


@dataclass(frozen=True, kw_only=True)
class ListRequest:
    """The flags of `prompts list`."""

    prompts: Path | None = prompts_flag()
    json: bool = json_flag()


@dataclass(frozen=True, kw_only=True)
class ShowRequest:
    """The flags of `prompts show`."""

    name: str = argument("NAME", help="Name of a prompt, such as rank.")
    prompts: Path | None = prompts_flag()
    json: bool = json_flag()


@dataclass(frozen=True, kw_only=True)
class FolderRequest:
    """The flags of `prompts export` and `prompts check`."""

    directory: Path = argument("DIR", help="A folder of prompts.")
    json: bool = json_flag()
