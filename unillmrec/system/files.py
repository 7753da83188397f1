"""Write files atomically."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def replace_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file beside *path* and rename it, so that *path* is complete or unchanged."""
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        file.writelines(chunks)
    partial.replace(path)
