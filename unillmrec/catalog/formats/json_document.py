"""One JSON document: a list of objects, or an object that contains one list of objects."""

from __future__ import annotations

import codecs
import json
from array import array
from typing import BinaryIO

from unillmrec.catalog.formats.contract import CatalogFormat, Rows
from unillmrec.catalog.formats.json_parsing import (
    SPACE,
    decode,
    decoding_problem,
    guess_json_format,
    not_one_object,
    other_problem,
    syntax_problem,
)
from unillmrec.catalog.formats.tables import LineTable
from unillmrec.catalog.problems import RowProblem, catalog_error, quoted, quoted_list
from unillmrec.catalog.sources import ByteSource

CHUNK = 1 << 20


class JsonDocumentTable(LineTable):
    """A list of objects, or an object that contains one list of objects.

    It is read in chunks, so that neither the text nor the objects are in memory as a whole. The
    number of a row is its position in the list; its line is remembered for messages.
    """

    def __init__(self, source: ByteSource) -> None:
        super().__init__(source)
        self.preposition = "by"
        self._lines = array("Q")

    def rows(self) -> Rows:
        """Yield the elements of the list.

        Raises:
            CatalogError: the JSON is invalid, or contains no list or several.
        """
        self._lines = array("Q")
        with self.source.open() as stream:
            text = _TextReader(self.source, stream)
            first = text.peek()
            if first == "[":
                yield from self._elements(text)
            elif first == "{":
                yield from self._list_inside(text)
            else:
                raise text.error("a list or an object should begin here")
            if text.peek():
                raise text.error("the document continues after its end", "--format jsonl")

    def _elements(self, text: _TextReader) -> Rows:
        text.take("[")
        if text.peek() == "]":
            text.take("]")
            return
        while True:
            text.peek()
            self._lines.append(text.line())
            row = text.value()
            number = len(self._lines)
            yield number, row if isinstance(row, dict) else not_one_object(row, "", 0)
            if text.peek() == "]":
                text.take("]")
                return
            text.take(",")

    def _list_inside(self, text: _TextReader) -> Rows:
        """Yield the elements of the only list of objects in an object."""
        lists: list[str] = []
        text.take("{")
        while text.peek() != "}":
            name = text.value()
            text.take(":")
            if text.peek() == "[" and text.peek_second() == "{":
                lists.append(str(name))
                if len(lists) > 1:
                    raise catalog_error(
                        f"{self.label}:{text.line()}",
                        f"the document holds more than one list of objects: {quoted_list(lists)}",
                        remedy="write the one that is the catalog to its own file.",
                    )
                yield from self._elements(text)
            else:
                text.value()
            if text.peek() == "}":
                break
            text.take(",")
        text.take("}")
        if not lists:
            raise catalog_error(
                self.label,
                "the document holds no list of objects",
                remedy="--format jsonl, if every line is an item.",
            )

    def place(self, number: int) -> str:
        """Return `films.json:230, item 118`."""
        return f"{self.label}:{self.line(number)}, item {number:,}"

    def mention(self, number: int) -> str:
        """Return `item 118 on line 230`."""
        return f"item {number:,} on line {self.line(number):,}"

    def line(self, number: int) -> int:
        """Return the line on which item *number* begins."""
        return self._lines[number - 1]


class _TextReader:
    """Reads a JSON text forwards, holding only the part that is not consumed yet."""

    def __init__(self, source: ByteSource, stream: BinaryIO) -> None:
        self._source = source
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._position = 0
        self._ended = False
        # Line breaks are counted up to here.
        self._counted = 0
        self._line = 1

    def line(self) -> int:
        """Return the line of the next character."""
        self._line += self._text.count("\n", self._counted, self._position)
        self._counted = self._position
        return self._line

    def peek(self) -> str:
        """Return the next character that is not space, or an empty string at the end."""
        while True:
            size = len(self._text)
            while self._position < size and self._text[self._position] in SPACE:
                self._position += 1
            if self._position < size:
                return self._text[self._position]
            if not self._read_more(CHUNK):
                return ""

    def peek_second(self) -> str:
        """Return the character after the next one, ignoring space."""
        position = self._position + 1
        while True:
            if rest := self._text[position : position + 1000].lstrip(SPACE):
                return rest[0]
            position -= self._position
            if not self._read_more(CHUNK):
                return ""

    def take(self, character: str) -> None:
        """Consume *character*, which must come next."""
        found = self.peek()
        if not found:
            raise self._early_end()
        if found != character:
            raise self.error(f"bad JSON: {quoted(character)} is expected here, not {quoted(found)}")
        self._position += 1

    def value(self) -> object:
        """Consume and return the next value."""
        if not self.peek():
            raise self._early_end()
        size = CHUNK
        while True:
            try:
                value, end = decode(self._text, self._position)
            except json.JSONDecodeError as error:
                # Only an error near the end can be due to the missing rest of the text.
                is_cut = error.msg.startswith("Unterminated") or error.pos > len(self._text) - 12
                if not (is_cut and self._read_more(size)):
                    raise self._syntax_error(error) from error
            except (ValueError, RecursionError, RowProblem) as error:
                problem = other_problem(error)
                raise self.error(problem.problem, problem.remedy) from error
            else:
                # A number at the very end may continue in the next chunk.
                if end < len(self._text) or not self._read_more(size):
                    self._position = end
                    return value
            size *= 2

    def error(self, problem: str, remedy: str = "") -> Exception:
        """Return the error about the next character."""
        return catalog_error(f"{self._source.label}:{self.line()}", problem, remedy=remedy)

    def _early_end(self) -> Exception:
        return self.error("the document ends too early; was it cut off?")

    def _syntax_error(self, error: json.JSONDecodeError) -> Exception:
        line = self.line() + self._text.count("\n", self._position, error.pos)
        return catalog_error(f"{self._source.label}:{line}", syntax_problem(error, error.colno))

    def _read_more(self, size: int) -> bool:
        """Drop the consumed text and read on; return whether there was more."""
        if self._ended:
            return False
        self.line()
        data = self._stream.read(size)
        self._ended = not data
        try:
            text = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise self._encoding_error(error) from error
        self._text = self._text[self._position :] + text
        self._position = self._counted = 0
        return not self._ended or bool(text)

    def _encoding_error(self, error: UnicodeDecodeError) -> Exception:
        self._line += self._text.count("\n", self._position)
        self._line += error.object.count(b"\n", 0, error.start)
        problem = decoding_problem(self._source, error)
        place = f"{self._source.label}:{self._line}"
        return catalog_error(place, problem.problem, remedy=problem.remedy)


JSON = CatalogFormat(
    name="json",
    noun="a JSON document",
    extensions=(".json",),
    open=JsonDocumentTable,
    matches=lambda start: guess_json_format(start) == "json",
    shares_extensions_with=frozenset({"jsonl"}),
)
