"""JSON Lines: one JSON object per line."""

from __future__ import annotations

import codecs
import json
from functools import partial

from unillmrec.catalog.formats.contract import CatalogFormat, Rows
from unillmrec.catalog.formats.json_parsing import (
    SPACE,
    decode_line,
    decoding_problem,
    guess_json_format,
    not_one_object,
    other_problem,
    syntax_problem,
)
from unillmrec.catalog.formats.tables import LineTable
from unillmrec.catalog.problems import RowProblem, catalog_error

# A longer line means another format, and would fill the memory.
MAX_LINE = 64 << 20


class JsonLinesTable(LineTable):
    """One JSON object per line."""

    def rows(self) -> Rows:
        """Yield the object of each line; blank lines are counted only."""
        with self.source.open() as stream:
            lines = iter(partial(stream.readline, MAX_LINE), b"")
            usual_names = -1
            for number, line in enumerate(lines, start=1):
                if len(line) >= MAX_LINE:
                    raise self._too_long(number)
                if number == 1:
                    line = line.removeprefix(codecs.BOM_UTF8)
                try:
                    text = line.decode().strip(SPACE)
                    if not text:
                        continue
                    row, end = decode_line(text, usual_names)
                except (ValueError, RecursionError, RowProblem) as error:
                    yield number, self._problem(error, line)
                    continue
                if end != len(text) or row.__class__ is not dict:
                    yield number, not_one_object(row, text, end)
                    continue
                usual_names = len(row)
                yield number, row

    def _problem(self, error: Exception, line: bytes) -> RowProblem:
        if isinstance(error, UnicodeDecodeError):
            return decoding_problem(self.source, error)
        if isinstance(error, json.JSONDecodeError):
            indent = len(line) - len(line.lstrip())
            return RowProblem(syntax_problem(error, indent + error.colno))
        return other_problem(error)

    def _too_long(self, number: int) -> Exception:
        return catalog_error(
            self.place(number),
            f"the line is longer than {MAX_LINE >> 20} MiB",
            remedy="--format json, if the file holds one JSON document.",
        )


def _accepts(name: str, start: bytes) -> bool:
    # Other JSON documents look like a broken first line, or like one unusual item.
    is_document = start.startswith(b"[") or start.partition(b"\n")[0].strip() == b"{"
    return name == "json" and not is_document


JSONL = CatalogFormat(
    name="jsonl",
    noun="JSON Lines",
    extensions=(".jsonl", ".ndjson"),
    open=JsonLinesTable,
    matches=lambda start: guess_json_format(start) == "jsonl",
    accepts=_accepts,
)
