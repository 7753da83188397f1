"""From the text of a predicate to its conditions: the words, the grammar, the caret of an error.

either    = both { "or" both }
both      = negation { "and" negation }
negation  = "not" negation | "(" either ")" | clause
clause    = "has" "(" name ")" | operand { order operand }
| name [ "not" ] "in" "(" constant { "," constant } ")" | text [ "not" ] "in" name
operand   = name | constant
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal, NoReturn, cast

from unillmrec.errors import PredicateError
from unillmrec.filters.conditions import (
    KEYWORDS,
    PLAIN_NAME,
    All,
    Among,
    Any,
    Condition,
    Constant,
    Flag,
    Has,
    Name,
    Not,
    Order,
    Ordered,
    Span,
)

# Texts come from strangers as well: none may exhaust the stack, the memory or the patience.
LONGEST = 50_000
DEEPEST = 50
MOST_CLAUSES = 200

_Kind = Literal["word", "name", "number", "text", "sign", "end"]
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)
    |(?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    |(?P<name>`(?:[^`]|``)+`)
    |(?P<word>"""
    + PLAIN_NAME.pattern
    + r""")
    |(?P<sign><=|>=|==|!=|[<>=(),])
    |(?P<end>\Z))""",
    re.VERBOSE,
)
_FLIPPED: Final[dict[str, Order]] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_COMPARISONS = frozenset({"=", "==", "!=", *_FLIPPED})
_HINTS = {
    "&": "`and`.",
    "|": "`or`.",
    "!": "`not`, or `!=`.",
    "[": "parentheses: in ('a', 'b').",
    "-": "backquotes round a name with such a character: `list-price`.",
    "`": "a second backquote where the name ends.",
    "'": "a second quote where the text ends.",
    '"': "a second quote where the text ends.",
    **dict.fromkeys("‘’‚“”„«»", "straight quotes: 'text'."),  # noqa: RUF001 (the quotes people paste)
}
_NOTHING = frozenset({"null", "none", "nan"})
_WINDOW = 72


def error_at(
    expression: str, at: Span, problem: str, *, detail: str = "", remedy: str = ""
) -> PredicateError:
    """Return an error that shows *expression* with carets below the place."""
    start, end = at
    first = max(0, min(start - _WINDOW // 2, len(expression) - _WINDOW))
    shown = expression[first : first + _WINDOW]
    # One character for each, or the carets would stand elsewhere.
    shown = "".join(each if each.isprintable() else " " for each in shown)
    before, cut = ("…" if first else ""), ("…" if first + _WINDOW < len(expression) else "")
    blanks = len(before) + _width(shown[: start - first])
    carets = _width(shown[start - first : max(end, start + 1) - first])
    lines = [before + shown + cut, " " * blanks + "^" * max(carets, 1)]
    return PredicateError(
        problem, detail="\n  ".join([*lines, detail] if detail else lines), remedy=remedy
    )


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def read(expression: str) -> Condition:
    """Return the condition an expression describes.

    Raises:
        PredicateError: it is none, or is longer or deeper than any person would write.
    """
    if len(expression) > LONGEST:
        raise PredicateError(
            f"the expression has {len(expression):,} characters; {LONGEST:,} are allowed."
        )
    try:
        expression.encode()
    except UnicodeEncodeError as error:
        raise error_at(
            expression, (error.start, error.end), "this is half a surrogate pair, no character."
        ) from error
    return _Parser(expression).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: _Kind
    text: str
    at: Span

    def says(self, *words: str) -> bool:
        return self.kind in ("word", "sign") and self.text.lower() in words

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else f"{self.text:.40}"


class _Parser:
    """Reads one expression, one token ahead."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._depth = 0
        self._clauses = 0
        self._next = self._token(0)

    # Tokens

    def _token(self, position: int) -> _Token:
        found = _TOKEN.match(self._expression, position)
        if found is None or found.lastgroup is None:
            start = position
            while self._expression[start].isspace():
                start += 1
            character = self._expression[start]
            self._fail(
                (start, start + 1), f"{character!r} means nothing here", _HINTS.get(character, "")
            )
        kind = found.lastgroup
        return _Token(cast(_Kind, kind), found.group(kind), found.span(kind))

    def _take(self) -> _Token:
        token = self._next
        self._next = self._token(token.at[1])
        return token

    def _expect(self, sign: str, what: str) -> _Token:
        if not self._next.says(sign):
            self._unexpected(what)
        return self._take()

    def _fail(self, at: Span, problem: str, remedy: str = "") -> NoReturn:
        raise error_at(self._expression, at, f"{problem}.", remedy=remedy)

    def _unexpected(self, wanted: str) -> NoReturn:
        self._fail(self._next.at, f"expected {wanted}, found {self._next}")

    # Conditions

    def whole(self) -> Condition:
        if not self._expression.strip():
            raise PredicateError("the expression is empty.", remedy="price < 20 and in_stock")
        condition = self._either()
        if self._next.kind != "end":
            self._unexpected("`and`, `or` or the end")
        return condition

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._next.says("or"):
            self._take()
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Any(tuple(parts))

    def _both(self) -> Condition:
        parts = [self._negation()]
        while self._next.says("and"):
            self._take()
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _negation(self) -> Condition:
        if not self._next.says("not", "("):
            return self._clause()
        opening = self._take()
        self._depth += 1
        if self._depth > DEEPEST:
            self._fail(opening.at, f"this is nested more than {DEEPEST} deep")
        condition: Condition
        if opening.says("not"):
            condition = Not(self._negation())
        else:
            condition = self._either()
            self._expect(")", "`)`, `and` or `or`")
        self._depth -= 1
        return condition

    # Clauses

    def _count(self) -> None:
        self._clauses += 1
        if self._clauses > MOST_CLAUSES:
            self._fail(self._next.at, f"there are more than {MOST_CLAUSES} conditions")

    def _clause(self) -> Condition:
        self._count()
        left = self._operand("a condition")
        if isinstance(left, Name) and left.text.lower() == "has" and self._next.says("("):
            return self._has()
        if self._next.says("in", "not"):
            return self._membership(left)
        if not self._next.says(*_COMPARISONS):
            if isinstance(left, Name):
                return Flag(left)
            self._fail(left.at, f"{left} alone is no condition", f"`name == {left}`.")
        return self._chain(left)

    def _chain(self, left: Name | Constant) -> Condition:
        """Read `a < b < c`, which is `a < b and b < c`."""
        links: list[Condition] = []
        while self._next.says(*_COMPARISONS):
            sign = self._take().text
            if links:
                self._count()
            right = self._operand("an attribute or a value")
            links.append(self._link(left, sign, right))
            left = right
        return links[0] if len(links) == 1 else All(tuple(links))

    def _link(self, left: Name | Constant, sign: str, right: Name | Constant) -> Condition:
        if isinstance(left, Name) and isinstance(right, Name):
            self._fail(
                right.at,
                f"{left} and {right} are both attributes; one side has to be a value",
                f"quotes, if a text is meant: {left} {sign} {Constant(right.text)}",
            )
        if isinstance(left, Constant) and isinstance(right, Constant):
            self._fail(
                left.at,
                f"{left} and {right} are both values; one side has to be an attribute",
                "an attribute's name without quotes." if isinstance(left.value, str) else "",
            )
        if isinstance(left, Name):
            name, constant = left, cast(Constant, right)
        else:
            name, constant = cast(Name, right), left
            sign = _FLIPPED.get(sign, sign)
        if sign in _FLIPPED:
            return Ordered(name, cast(Order, sign), constant)
        return Among(name, (constant,), negated=sign == "!=")

    def _membership(self, left: Name | Constant) -> Condition:
        negated = self._next.says("not")
        if negated:
            self._take()
        self._expect("in", "`in`")
        if isinstance(left, Constant):
            name = self._operand("an attribute")
            if isinstance(name, Constant):
                self._fail(name.at, f"{name} is no attribute", f"`name == {left}`.")
            return Among(name, (left,), negated)
        self._expect("(", "a list in parentheses")
        constants = [self._constant()]
        while self._next.says(","):
            self._take()
            if not self._next.says(")"):
                constants.append(self._constant())
        self._expect(")", "`,` or `)`")
        return Among(left, tuple(constants), negated)

    def _has(self) -> Condition:
        self._take()
        name = self._operand("an attribute")
        if isinstance(name, Constant):
            self._fail(name.at, f"{name} is no attribute", "its name without quotes.")
        self._expect(")", "`)`")
        return Has(name)

    # Operands

    def _constant(self) -> Constant:
        constant = self._operand("a value")
        if isinstance(constant, Name):
            hint = f"quotes, if a text is meant: {Constant(constant.text)}"
            self._fail(constant.at, f"{constant} is no value", hint)
        return constant

    def _operand(self, wanted: str) -> Name | Constant:
        token = self._next
        if token.kind in ("end", "sign") or token.says(*KEYWORDS - {"true", "false"}):
            self._unexpected(wanted)
        self._take()
        if token.kind == "number":
            number = float(token.text)
            if math.isinf(number):
                self._fail(token.at, "the number is too large")
            return Constant(number, token.at)
        if token.kind == "text":
            quote = token.text[0]
            return Constant(token.text[1:-1].replace(quote * 2, quote), token.at)
        if token.kind == "name":
            return Name(token.text[1:-1].replace("``", "`"), quoted=True, at=token.at)
        if token.says("true", "false"):
            return Constant(token.says("true"), token.at)
        if token.says(*_NOTHING):
            self._fail(token.at, f"there is no {token}", "`not has(name)`.")
        return Name(token.text, at=token.at)
