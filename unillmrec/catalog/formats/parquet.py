"""Parquet files. This is the only module that uses pyarrow."""

from __future__ import annotations

from unillmrec.catalog.formats.contract import CatalogFormat, Rows
from unillmrec.catalog.formats.tables import LineTable
from unillmrec.catalog.problems import catalog_error, quoted
from unillmrec.errors import MissingExtraError

_BATCH = 2_000


class ParquetTable(LineTable):
    """The rows of a Parquet file, numbered from one."""

    fixed = True
    unit = "row"
    preposition = "in"
    skip_hint = "correct the row, or pass --on-error skip."

    def rows(self) -> Rows:
        """Yield the rows, reading one batch at a time.

        Raises:
            MissingExtraError: pyarrow is not installed.
            CatalogError: it is not a Parquet file, or a damaged one.
        """
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            raise MissingExtraError("reading Parquet", "pyarrow", "parquet") from error
        number = 0
        with self.source.open_seekable() as stream:
            try:
                file = parquet.ParquetFile(stream)
                _refuse_duplicates(self.label, file.schema_arrow.names)
                for batch in file.iter_batches(batch_size=_BATCH):
                    for row in batch.to_pylist():
                        number += 1
                        yield number, row
                    self.source.set_progress(number, file.metadata.num_rows)
            except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
                raise catalog_error(
                    self.label,
                    f"the Parquet data cannot be read after row {number:,}: {_first_line(error)}",
                    remedy="copy or export the file again.",
                ) from error

    def place(self, number: int) -> str:
        """Return `films.parquet, row 118`."""
        return f"{self.label}, row {number:,}"

    def mention(self, number: int) -> str:
        """Return `row 118`."""
        return f"row {number:,}"


def _refuse_duplicates(label: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise catalog_error(label, f"two columns are named {quoted(name)}")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")[:200]


PARQUET = CatalogFormat(
    name="parquet",
    noun="Parquet",
    extensions=(".parquet", ".pq"),
    open=ParquetTable,
    matches=lambda head: head.startswith(b"PAR1"),
    is_text=False,
)
