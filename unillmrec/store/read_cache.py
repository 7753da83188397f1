"""In-process read cache of a tree file, cleared when another connection commits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class ReadCache:
    """Cached values by kind and key, all dropped when the file's version changes.

    Recommendations for different people read the same branches. Each kind has a limit, so that
    memory does not grow with the catalog.
    """

    def __init__(self) -> None:
        self._version: object = None
        self._kinds: dict[str, dict[Any, Any]] = {}

    def get(
        self,
        kind: str,
        keys: Sequence[Key],
        read: Callable[[list[Key]], Mapping[Key, Value]],
        *,
        version: object,
        limit: int,
    ) -> list[Value]:
        """Return the values of *keys* in order, calling *read* with those that are not cached.

        Safe to call from several threads: clearing the cache replaces the dictionaries, and a
        call that is under way keeps its own.
        """
        if version != self._version:
            self._kinds, self._version = {}, version
        cached: dict[Any, Any] = self._kinds.setdefault(kind, {})
        missing = [key for key in keys if key not in cached]
        values = read(missing) if missing else {}
        for key in missing[: max(limit - len(cached), 0)]:
            cached[key] = values[key]
        return [values[key] if key in values else cached[key] for key in keys]
