"""Which format a catalog is in, by what was asked for, by its name, and by its first bytes."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from pathlib import PurePath

from unillmrec.catalog.problems import catalog_error, conversion, shown
from unillmrec.catalog.sources import Source

FORMATS = ("jsonl", "json", "csv", "tsv", "parquet")

_BY_EXTENSION = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_IN_WORDS = {
    "jsonl": "JSON Lines",
    "json": "a JSON document",
    "csv": "CSV",
    "tsv": "TSV",
    "parquet": "Parquet",
}
# First bytes of what people pass by mistake, and what to do instead.
_FOREIGN = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "unpack it, or export it as CSV."),
    (b"BZh", "compressed with bzip2", "decompress it first; only gzip is read directly."),
    (b"\xfd7zXZ\x00", "compressed with xz", "decompress it first; only gzip is read directly."),
    (b"(\xb5/\xfd", "compressed with zstd", "decompress it first; only gzip is read directly."),
    (b"SQLite format 3\x00", "an SQLite file", "name the catalog that it was built from."),
    (b"%PDF-", "a PDF", "export the catalog as JSON Lines or CSV."),
)
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_WIDE = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
# Bytes that stand in no text of any encoding; in random data one in ten is such a byte.
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
_MOST_CONTROLS = 0.02
_BOM = b"\xef\xbb\xbf"
_LIST_INSIDE = re.compile(rb'\{\s*"[^"]*"\s*:\s*\[\s*[{\]]')


def detect(source: Source, asked: str | None = None) -> str:
    """Return the format of *source*, one of `FORMATS`.

    Raises:
        CatalogError: it is empty, in no known format, or not in the one it claims.
    """
    if asked is not None and asked not in FORMATS:
        raise catalog_error(
            source.label,
            f"there is no format {shown(asked)}",
            remedy=f"one of {', '.join(FORMATS)}; .gz is recognised by itself.",
        )
    if source.empty:
        raise catalog_error(source.label, "it is empty")
    found = sniff(source.head)
    if found != "parquet":
        _refuse_foreign(source)
    claimed = asked or _by_name(source)
    if "parquet" not in (found, claimed):
        _refuse_binary(source)
    if claimed is None:
        return found or _undecided(source)
    if claimed == "json" and asked is None and found == "jsonl":
        return "jsonl"
    if found is not None and _contradicts(claimed, found, source.head):
        raise catalog_error(
            f"{source.label}:1",
            f"this is {_IN_WORDS[found]}, not {_IN_WORDS[claimed]}; "
            f"it begins {shown(_first_line(source.head), 40)}",
            remedy=f"--format {found}",
        )
    return claimed


def sniff(head: bytes) -> str | None:
    """Guess the format from the first decompressed bytes; `None` when they fit none."""
    if head.startswith(b"PAR1"):
        return "parquet"
    text = head.removeprefix(_BOM).lstrip()
    if text.startswith(b"["):
        return "json"
    if text.startswith(b"{"):
        return _sniff_braces(text)
    return _sniff_delimited(text)


def _sniff_braces(text: bytes) -> str | None:
    first, _, rest = text.partition(b"\n")
    try:
        parsed = json.loads(first)
    except (ValueError, RecursionError):
        if b"\n{" in text:
            return "jsonl"
        return "json" if rest or _LIST_INSIDE.match(text) else None
    # A single line may be one item, or a document that holds the list of them.
    return "jsonl" if rest.strip() or not _is_document(parsed) else "json"


def _is_document(parsed: Mapping[str, object]) -> bool:
    if {"id", "title", "name"} & {name.lower() for name in parsed}:
        return False
    lists = (value for value in parsed.values() if isinstance(value, list))
    return any(isinstance(each, dict) for value in lists for each in value[:1])


def _sniff_delimited(text: bytes) -> str | None:
    lines = text.splitlines()[:2]
    if len(lines) < 2 or lines[1].startswith((b"{", b"[")):
        return None
    for delimiter, name in ((b"\t", "tsv"), (b",", "csv"), (b";", "csv"), (b"|", "csv")):
        if all(delimiter in line for line in lines):
            return name
    return None


def _contradicts(claimed: str, found: str, head: bytes) -> bool:
    if {claimed, found} <= {"csv", "tsv"} or claimed == found:
        return False
    if claimed == "jsonl" and found == "json":
        # Other documents look like a first line that is merely broken, or like one odd item.
        text = head.removeprefix(_BOM).lstrip()
        return text.startswith(b"[") or _first_line(text) == "{"
    return True


def _by_name(source: Source) -> str | None:
    if source.path is None:
        return None
    name = PurePath(source.path.name.lower())
    return _BY_EXTENSION.get(PurePath(name.stem).suffix if name.suffix == ".gz" else name.suffix)


def _refuse_foreign(source: Source) -> None:
    for magic, what, remedy in _FOREIGN:
        if source.head.startswith(magic):
            raise catalog_error(source.label, f"this is {what}, not a catalog", remedy=remedy)
    path = str(source.path) if source.path else None
    for mark, encoding in _WIDE:
        if source.head.startswith(mark):
            raise catalog_error(
                f"{source.label}:1",
                f"byte 0x{mark[0]:02X} at column 1 is not UTF-8; the file is in {encoding}",
                remedy=conversion(path, encoding, gzipped=source.gzipped),
            )
    before, nul, _ = source.head.partition(b"\0")
    if nul and len(before) < 4:
        encoding = "UTF-16LE" if before else "UTF-16BE"
        raise catalog_error(
            f"{source.label}:1",
            f"column {len(before) + 1} holds a NUL byte; the file looks like {encoding}",
            remedy=conversion(path, encoding, gzipped=source.gzipped),
        )


def _refuse_binary(source: Source) -> None:
    """Refuse what is no text at all; a single odd byte has an error of its own, with its line."""
    if _decodes(source.head):
        return
    if source.path is not None and source.path.suffix.lower() == ".gz" and not source.gzipped:
        raise catalog_error(
            source.label,
            "this is not gzip, though its name ends in .gz",
            remedy="copy or download the file again, or name it after what it is.",
        )
    controls = len(source.head) - len(source.head.translate(None, _CONTROLS))
    if controls > len(source.head) * _MOST_CONTROLS:
        raise catalog_error(
            source.label,
            "this is not text, and no format that is read here",
            remedy=f"export the catalog as one of {', '.join(FORMATS)}; each text also as .gz.",
        )


def _decodes(head: bytes) -> bool:
    try:
        # The last letter may be cut in two.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _undecided(source: Source) -> str:
    if _first_line(source.head).startswith("{"):
        return "jsonl"
    raise catalog_error(
        source.label,
        f"its format is not clear; it begins {shown(_first_line(source.head), 40)}",
        remedy=f"--format with one of {', '.join(FORMATS)}.",
    )


def _first_line(head: bytes) -> str:
    line = head.removeprefix(_BOM).lstrip().partition(b"\n")[0]
    return line[:200].decode("utf-8", "replace").strip()
