"""Rows from JSON Lines, and from one JSON document that holds a list."""

from __future__ import annotations

import codecs
import json
from array import array
from functools import partial
from typing import Any, BinaryIO, NoReturn

from unillmrec.catalog.formats.tables import LineTable, Rows
from unillmrec.catalog.problems import (
    RowProblem,
    catalog_error,
    listed,
    not_utf8,
    shown,
)
from unillmrec.catalog.sources import Source

# A longer line is a file of another format, and reading on would fill the memory.
_LONGEST = 64 << 20
_CHUNK = 1 << 20
_SPACE = " \t\r\n"


def _refuse_constant(name: str) -> NoReturn:
    raise RowProblem(
        f"bad JSON: {name} is not a JSON number", remedy="write null for it, or leave it out."
    )


def _refuse_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object of its fields; without this the last of two values would win in silence."""
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twins = listed(name for name in made if names.count(name) > 1)
        raise RowProblem(
            f"bad JSON: an object names {twins} more than once", remedy="keep one of the values."
        )
    return made


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_refuse_twins)
_decode = _DECODER.raw_decode
_decode_unwatched = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode


def _decode_line(text: str, usual: int) -> tuple[Any, int]:
    """Return what *text* holds, and where it ends, faster if it has as many names as is *usual*.

    A colon follows each name: an object with as many names as there are colons has no twins.
    """
    if text.count(":") == usual:
        row, end = _decode_unwatched(text)
        if row.__class__ is dict and len(row) == usual:
            return row, end
    return _decode(text)


class JsonLines(LineTable):
    """One JSON object a line."""

    def rows(self) -> Rows:
        """Yield the object of every line; blank lines count but give nothing."""
        with self.source.opened() as stream:
            lines = iter(partial(stream.readline, _LONGEST), b"")
            usual = -1
            for number, line in enumerate(lines, start=1):
                if len(line) >= _LONGEST:
                    raise self._endless(number)
                if number == 1:
                    line = line.removeprefix(codecs.BOM_UTF8)
                try:
                    text = line.decode().strip(_SPACE)
                    if not text:
                        continue
                    row, end = _decode_line(text, usual)
                except (ValueError, RecursionError, RowProblem) as error:
                    yield number, self._problem(error, line)
                    continue
                if end != len(text) or row.__class__ is not dict:
                    yield number, _not_one_object(row, text, end)
                    continue
                usual = len(row)
                yield number, row

    def _problem(self, error: Exception, line: bytes) -> RowProblem:
        if isinstance(error, UnicodeDecodeError):
            return encoding_problem(self.source, error)
        if isinstance(error, json.JSONDecodeError):
            indent = len(line) - len(line.lstrip())
            return RowProblem(bad_json(error, indent + error.colno))
        return _other_problem(error)

    def _endless(self, number: int) -> Exception:
        return catalog_error(
            self.place(number),
            f"the line is longer than {_LONGEST >> 20} MiB",
            remedy="--format json, if the file holds one JSON document.",
        )


class JsonDocument(LineTable):
    """One list of objects, or an object with one list of objects inside.

    Read piece by piece, so that neither the text nor the objects are in memory as a whole.
    A row's number is its place in the list; its line is remembered for messages.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.preposition = "by"
        self._lines = array("Q")

    def rows(self) -> Rows:
        """Yield the elements of the list.

        Raises:
            CatalogError: the JSON is broken somewhere, or holds no list or several.
        """
        self._lines = array("Q")
        with self.source.opened() as stream:
            text = _Pieces(self.source, stream)
            first = text.peek()
            if first == "[":
                yield from self._elements(text)
            elif first == "{":
                yield from self._inside(text)
            else:
                raise text.broken("a list or an object should begin here")
            if text.peek():
                raise text.broken("the document goes on after its end", "--format jsonl")

    def _elements(self, text: _Pieces) -> Rows:
        text.take("[")
        if text.peek() == "]":
            text.take("]")
            return
        while True:
            text.peek()
            self._lines.append(text.line())
            row = text.value()
            number = len(self._lines)
            yield number, row if isinstance(row, dict) else _not_one_object(row, "", 0)
            if text.peek() == "]":
                text.take("]")
                return
            text.take(",")

    def _inside(self, text: _Pieces) -> Rows:
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
                        f"the document holds more than one list of objects: {listed(lists)}",
                        remedy="write the one that is the catalog to a file of its own.",
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


class _Pieces:
    """A JSON text read forward, of which only the part not yet used is kept."""

    def __init__(self, source: Source, stream: BinaryIO) -> None:
        self._source = source
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._at = 0
        self._ended = False
        self._counted = 0
        self._line = 1

    def line(self) -> int:
        """Return the line of the next character."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def peek(self) -> str:
        """Return the next character that is no space, or nothing at the end."""
        while True:
            rest = len(self._text)
            while self._at < rest and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < rest:
                return self._text[self._at]
            if not self._more(_CHUNK):
                return ""

    def peek_second(self) -> str:
        """Return the character that follows the next one, spaces aside."""
        at = self._at + 1
        while True:
            if rest := self._text[at : at + 1000].lstrip(_SPACE):
                return rest[0]
            at -= self._at
            if not self._more(_CHUNK):
                return ""

    def take(self, character: str) -> None:
        """Step over *character*, which has to come next."""
        found = self.peek()
        if not found:
            raise self.broken("the document ends too early; was it cut off?")
        if found != character:
            raise self.broken(f"bad JSON: {shown(character)} is expected here, not {shown(found)}")
        self._at += 1

    def value(self) -> object:
        """Return the value that comes next."""
        if not self.peek():
            raise self.broken("the document ends too early; was it cut off?")
        size = _CHUNK
        while True:
            try:
                value, end = _decode(self._text, self._at)
            except json.JSONDecodeError as error:
                # Only an error near the end can come from a text that is not all here.
                cut = error.msg.startswith("Unterminated") or error.pos > len(self._text) - 12
                if not (cut and self._more(size)):
                    raise self._bad(error) from error
            except (ValueError, RecursionError, RowProblem) as error:
                problem = _other_problem(error)
                raise self.broken(problem.problem, problem.remedy) from error
            else:
                # A number that touches the end may go on in the next piece.
                if end < len(self._text) or not self._more(size):
                    self._at = end
                    return value
            size *= 2

    def broken(self, problem: str, remedy: str = "") -> Exception:
        """Return the error that says *problem* about the next character."""
        return catalog_error(f"{self._source.label}:{self.line()}", problem, remedy=remedy)

    def _bad(self, error: json.JSONDecodeError) -> Exception:
        line = self.line() + self._text.count("\n", self._at, error.pos)
        return catalog_error(f"{self._source.label}:{line}", bad_json(error, error.colno))

    def _more(self, size: int) -> bool:
        """Drop what was used and read on; return whether there was more."""
        if self._ended:
            return False
        self.line()
        data = self._stream.read(size)
        self._ended = not data
        try:
            text = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            self._line += self._text.count("\n", self._at)
            self._line += error.object.count(b"\n", 0, error.start)
            problem = encoding_problem(self._source, error)
            raise catalog_error(
                f"{self._source.label}:{self._line}", problem.problem, remedy=problem.remedy
            ) from error
        self._text = self._text[self._at :] + text
        self._at = self._counted = 0
        return not self._ended or bool(text)


def encoding_problem(source: Source, error: UnicodeDecodeError) -> RowProblem:
    """Say which byte is not UTF-8, with its column in its line, and how to convert the file."""
    begin = error.object.rfind(b"\n", 0, error.start) + 1
    line = error.object[begin : error.end + 1]
    path = str(source.path) if source.path else None
    return not_utf8(line, error.start - begin, path=path, gzipped=source.gzipped)


def bad_json(error: json.JSONDecodeError, column: int) -> str:
    """Put the decoder's complaint into our words, with the text around it."""
    near = error.doc[max(0, error.pos - 16) : error.pos + 16].strip()
    message = error.msg[0].lower() + error.msg[1:].removesuffix(" at")
    if message.startswith("unterminated"):
        message = "the text that begins here is never closed"
    where = f", near {shown(near)}" if near else ""
    return f"bad JSON at column {column}: {message}{where}"


def _other_problem(error: Exception) -> RowProblem:
    if isinstance(error, RowProblem):
        return error
    if isinstance(error, RecursionError):
        return RowProblem("bad JSON: lists or objects are nested too deeply")
    return RowProblem("bad JSON: a number has too many digits")


def _not_one_object(row: object, text: str, end: int) -> RowProblem:
    if end < len(text):
        return RowProblem(f"bad JSON at column {end + 1}: more follows after the first value")
    what = {list: "a list", str: "a text", type(None): "null", bool: "true or false"}
    return RowProblem(f"an item is a JSON object, but this is {what.get(type(row), 'a number')}")
