"""What was read from a tree's file, kept for the next reader while nobody changes the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class ReadCache:
    """Values by what they are of; when the file has changed, all are forgotten.

    Whoever is recommended to, the same branches are read. So many values of each kind are kept,
    and no more: memory does not grow with the catalog.
    """

    def __init__(self) -> None:
        self._version: object = None
        self._kinds: dict[str, dict[Any, Any]] = {}

    def of(
        self,
        kind: str,
        keys: Sequence[Key],
        read: Callable[[list[Key]], Mapping[Key, Value]],
        *,
        version: object,
        most: int,
    ) -> list[Value]:
        """Return the values of *keys*, of which those that are not kept are *read*.

        Threads may ask at the same time: what one forgets, another still holds in its hands.
        """
        if version != self._version:
            self._kinds, self._version = {}, version
        held: dict[Any, Any] = self._kinds.setdefault(kind, {})
        missing = [key for key in keys if key not in held]
        found = read(missing) if missing else {}
        for key in missing[: max(most - len(held), 0)]:
            held[key] = found[key]
        return [found[key] if key in found else held[key] for key in keys]
