"""Write catalogs to a temporary folder and read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unillmrec.catalog import CatalogReader, read_catalog
from unillmrec.errors import CatalogError


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, so that errors name files without a folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def reader() -> Callable[..., CatalogReader]:
    """Write *content* to *name* and open it."""

    def open_written(name: str, content: str | bytes, **options: Any) -> CatalogReader:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        return read_catalog(name, **options)

    return open_written


@pytest.fixture
def refusal(reader: Callable[..., CatalogReader]) -> Callable[..., str]:
    """Write *content* to *name*, read it, and return the error message."""

    def read_until_error(name: str, content: str | bytes, **options: Any) -> str:
        with pytest.raises(CatalogError) as caught:
            list(reader(name, content, **options))
        return str(caught.value)

    return read_until_error
