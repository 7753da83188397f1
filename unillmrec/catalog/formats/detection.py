"""Determine the format of a catalog: by request, by file name, and by its first bytes."""

from __future__ import annotations

import codecs
from pathlib import PurePath

from unillmrec.catalog.formats.contract import CatalogFormat
from unillmrec.catalog.formats.registry import FORMATS
from unillmrec.catalog.problems import catalog_error, conversion_command, quoted
from unillmrec.catalog.sources import ByteSource

_BY_EXTENSION = {extension: each for each in FORMATS.values() for extension in each.extensions}
# Files that are passed by mistake: their first bytes, what they are, and what to do instead.
_OTHER_FILES = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "unpack it, or export it as CSV."),
    (b"BZh", "compressed with bzip2", "decompress it first; only gzip is read directly."),
    (b"\xfd7zXZ\x00", "compressed with xz", "decompress it first; only gzip is read directly."),
    (b"(\xb5/\xfd", "compressed with zstd", "decompress it first; only gzip is read directly."),
    (b"SQLite format 3\x00", "an SQLite file", "name the catalog that it was built from."),
    (b"%PDF-", "a PDF", "export the catalog as JSON Lines or CSV."),
)
# UTF-32 first: its little-endian byte order mark begins with that of UTF-16.
_WIDE_ENCODINGS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
# Bytes that occur in no text of any encoding; in random data one in ten is such a byte.
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
_MAX_CONTROLS = 0.02
_BOM = b"\xef\xbb\xbf"


def detect(source: ByteSource, requested: str | None = None) -> CatalogFormat:
    """Return the format of *source*.

    Raises:
        CatalogError: it is empty, in no known format, or not in the requested one.
    """
    if requested is not None and requested not in FORMATS:
        raise catalog_error(
            source.label,
            f"there is no format {quoted(requested)}",
            remedy=f"one of {', '.join(FORMATS)}; .gz is recognised by itself.",
        )
    if source.is_empty:
        raise catalog_error(source.label, "it is empty")
    found = sniff(source.head)
    claimed = FORMATS[requested] if requested else _by_name(source)
    _refuse_other_files(source, found, claimed)
    if claimed is None:
        return found or _guess(source)
    if found is None or found is claimed:
        return claimed
    if requested is None and found.name in claimed.shares_extensions_with:
        return found
    if not claimed.accepts(found.name, _text_start(source.head)):
        raise catalog_error(
            f"{source.label}:1",
            f"this is {found.noun}, not {claimed.noun}; it begins {_first_words(source.head)}",
            remedy=f"--format {found.name}",
        )
    return claimed


def sniff(head: bytes) -> CatalogFormat | None:
    """Guess the format from the first decompressed bytes; `None` if they match none."""
    start = _text_start(head)
    # Binary formats first: their bytes may look like text.
    for each in sorted(FORMATS.values(), key=lambda each: each.is_text):
        if each.matches(start if each.is_text else head):
            return each
    return None


def _by_name(source: ByteSource) -> CatalogFormat | None:
    if source.path is None:
        return None
    name = PurePath(source.path.name.lower())
    return _BY_EXTENSION.get(PurePath(name.stem).suffix if name.suffix == ".gz" else name.suffix)


def _guess(source: ByteSource) -> CatalogFormat:
    if _first_line(source.head).startswith("{"):
        return FORMATS["jsonl"]
    raise catalog_error(
        source.label,
        f"its format is not clear; it begins {_first_words(source.head)}",
        remedy=f"--format with one of {', '.join(FORMATS)}.",
    )


def _refuse_other_files(
    source: ByteSource, found: CatalogFormat | None, claimed: CatalogFormat | None
) -> None:
    """Refuse files of other kinds and encodings; binary formats are checked when they are read."""
    if found is None or found.is_text:
        _refuse_known_files(source)
        _refuse_wide_encodings(source)
        if claimed is None or claimed.is_text:
            _refuse_binary(source)


def _refuse_known_files(source: ByteSource) -> None:
    for magic, noun, remedy in _OTHER_FILES:
        if source.head.startswith(magic):
            raise catalog_error(source.label, f"this is {noun}, not a catalog", remedy=remedy)


def _refuse_wide_encodings(source: ByteSource) -> None:
    path = str(source.path) if source.path else None
    for mark, encoding in _WIDE_ENCODINGS:
        if source.head.startswith(mark):
            raise catalog_error(
                f"{source.label}:1",
                f"byte 0x{mark[0]:02X} at column 1 is not UTF-8; the file is in {encoding}",
                remedy=conversion_command(path, encoding, gzipped=source.gzipped),
            )
    before, nul, _ = source.head.partition(b"\0")
    if nul and len(before) < 4:
        encoding = "UTF-16LE" if before else "UTF-16BE"
        raise catalog_error(
            f"{source.label}:1",
            f"column {len(before) + 1} holds a NUL byte; the file looks like {encoding}",
            remedy=conversion_command(path, encoding, gzipped=source.gzipped),
        )


def _refuse_binary(source: ByteSource) -> None:
    """Refuse what is not text at all. A single invalid byte is reported later, with its line."""
    if _decodes(source.head):
        return
    if source.path is not None and source.path.suffix.lower() == ".gz" and not source.gzipped:
        raise catalog_error(
            source.label,
            "this is not gzip, though its name ends in .gz",
            remedy="copy or download the file again, or rename it.",
        )
    controls = len(source.head) - len(source.head.translate(None, _CONTROLS))
    if controls > len(source.head) * _MAX_CONTROLS:
        raise catalog_error(
            source.label,
            "this is neither text nor a format that unillmrec reads",
            remedy=f"export the catalog as one of {', '.join(FORMATS)}; each text also as .gz.",
        )


def _decodes(head: bytes) -> bool:
    try:
        # The last character may be incomplete.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _text_start(head: bytes) -> bytes:
    return head.removeprefix(_BOM).lstrip()


def _first_line(head: bytes) -> str:
    line = _text_start(head).partition(b"\n")[0]
    return line[:200].decode("utf-8", "replace").strip()


def _first_words(head: bytes) -> str:
    return quoted(_first_line(head), 40)
