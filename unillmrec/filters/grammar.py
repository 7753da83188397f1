"""Parse the text of a predicate into conditions, with carets that mark errors.

either    = both { "or" both }
both      = negation { "and" negation }
negation  = "not" negation | "(" either ")" | clause
clause    = "has" "(" name ")" | operand { comparison operand }
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
    And,
    AttributeName,
    Condition,
    Constant,
    HasAttribute,
    IsTrue,
    Location,
    Not,
    OneOf,
    Operator,
    Or,
    OrderComparison,
)

# Expressions also come from untrusted users: none may exhaust the stack, the memory or the time.
MAX_LENGTH = 50_000
MAX_DEPTH = 50
MAX_CLAUSES = 200

_TokenKind = Literal["word", "name", "number", "text", "sign", "end"]
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
_FLIPPED: Final[dict[str, Operator]] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_COMPARISONS = frozenset({"=", "==", "!=", *_FLIPPED})
_HINTS = {
    "&": "`and`.",
    "|": "`or`.",
    "!": "`not`, or `!=`.",
    "[": "parentheses: in ('a', 'b').",
    "-": "backquotes around a name with such a character: `list-price`.",
    "`": "a second backquote at the end of the name.",
    "'": "a second quote at the end of the text.",
    '"': "a second quote at the end of the text.",
    **dict.fromkeys("‘’‚“”„«»", "straight quotes: 'text'."),  # noqa: RUF001 (the quotes people paste)
}
_NULLS = frozenset({"null", "none", "nan"})
_WINDOW = 72


def error_at(
    expression: str, at: Location, problem: str, *, detail: str = "", remedy: str = ""
) -> PredicateError:
    """Return an error that shows *expression* with carets below the location."""
    start, end = at
    first = max(0, min(start - _WINDOW // 2, len(expression) - _WINDOW))
    shown = expression[first : first + _WINDOW]
    # Each character becomes exactly one, or the carets would be misplaced.
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


def parse_condition(expression: str) -> Condition:
    """Parse an expression.

    Raises:
        PredicateError: it is not valid, or longer or more deeply nested than is allowed.
    """
    if len(expression) > MAX_LENGTH:
        raise PredicateError(
            f"the expression has {len(expression):,} characters; {MAX_LENGTH:,} are allowed."
        )
    try:
        expression.encode()
    except UnicodeEncodeError as error:
        raise error_at(
            expression, (error.start, error.end), "this is half a surrogate pair, not a character."
        ) from error
    return _Parser(expression).parse()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: _TokenKind
    text: str
    at: Location

    def matches(self, *words: str) -> bool:
        return self.kind in ("word", "sign") and self.text.lower() in words

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else f"{self.text:.40}"


class _Parser:
    """A recursive-descent parser that looks one token ahead."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._depth = 0
        self._clauses = 0
        self._next = self._token_at(0)

    # Tokens

    def _token_at(self, position: int) -> _Token:
        match = _TOKEN.match(self._expression, position)
        if match is None or match.lastgroup is None:
            start = position
            while self._expression[start].isspace():
                start += 1
            character = self._expression[start]
            self._fail(
                (start, start + 1), f"{character!r} is not expected here", _HINTS.get(character, "")
            )
        kind = match.lastgroup
        return _Token(cast(_TokenKind, kind), match.group(kind), match.span(kind))

    def _take(self) -> _Token:
        token = self._next
        self._next = self._token_at(token.at[1])
        return token

    def _expect(self, sign: str, wanted: str) -> _Token:
        if not self._next.matches(sign):
            self._unexpected(wanted)
        return self._take()

    def _fail(self, at: Location, problem: str, remedy: str = "") -> NoReturn:
        raise error_at(self._expression, at, f"{problem}.", remedy=remedy)

    def _unexpected(self, wanted: str) -> NoReturn:
        self._fail(self._next.at, f"expected {wanted}, found {self._next}")

    # Conditions

    def parse(self) -> Condition:
        if not self._expression.strip():
            raise PredicateError("the expression is empty.", remedy="price < 20 and in_stock")
        condition = self._either()
        if self._next.kind != "end":
            self._unexpected("`and`, `or` or the end")
        return condition

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._next.matches("or"):
            self._take()
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _both(self) -> Condition:
        parts = [self._negation()]
        while self._next.matches("and"):
            self._take()
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _negation(self) -> Condition:
        if not self._next.matches("not", "("):
            return self._clause()
        opening = self._take()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(opening.at, f"this is nested more than {MAX_DEPTH} levels deep")
        condition: Condition
        if opening.matches("not"):
            condition = Not(self._negation())
        else:
            condition = self._either()
            self._expect(")", "`)`, `and` or `or`")
        self._depth -= 1
        return condition

    # Clauses

    def _count_clause(self) -> None:
        self._clauses += 1
        if self._clauses > MAX_CLAUSES:
            self._fail(self._next.at, f"there are more than {MAX_CLAUSES} conditions")

    def _clause(self) -> Condition:
        self._count_clause()
        left = self._operand("a condition")
        if (
            isinstance(left, AttributeName)
            and left.text.lower() == "has"
            and self._next.matches("(")
        ):
            return self._has()
        if self._next.matches("in", "not"):
            return self._membership(left)
        if not self._next.matches(*_COMPARISONS):
            if isinstance(left, AttributeName):
                return IsTrue(left)
            self._fail(left.at, f"{left} alone is not a condition", f"`name == {left}`.")
        return self._chain(left)

    def _chain(self, left: AttributeName | Constant) -> Condition:
        """Read `a < b < c`, which is `a < b and b < c`."""
        comparisons: list[Condition] = []
        while self._next.matches(*_COMPARISONS):
            sign = self._take().text
            if comparisons:
                self._count_clause()
            right = self._operand("an attribute or a value")
            comparisons.append(self._compare(left, sign, right))
            left = right
        return comparisons[0] if len(comparisons) == 1 else And(tuple(comparisons))

    def _compare(
        self, left: AttributeName | Constant, sign: str, right: AttributeName | Constant
    ) -> Condition:
        if isinstance(left, AttributeName) and isinstance(right, AttributeName):
            self._fail(
                right.at,
                f"{left} and {right} are both attributes; one side must be a value",
                f"quotes, if you mean a text: {left} {sign} {Constant(right.text)}",
            )
        if isinstance(left, Constant) and isinstance(right, Constant):
            self._fail(
                left.at,
                f"{left} and {right} are both values; one side must be an attribute",
                "the name of an attribute without quotes." if isinstance(left.value, str) else "",
            )
        if isinstance(left, AttributeName):
            name, constant = left, cast(Constant, right)
        else:
            name, constant = cast(AttributeName, right), left
            sign = _FLIPPED.get(sign, sign)
        if sign in _FLIPPED:
            return OrderComparison(name, cast(Operator, sign), constant)
        return OneOf(name, (constant,), negated=sign == "!=")

    def _membership(self, left: AttributeName | Constant) -> Condition:
        negated = self._next.matches("not")
        if negated:
            self._take()
        self._expect("in", "`in`")
        if isinstance(left, Constant):
            name = self._operand("an attribute")
            if isinstance(name, Constant):
                self._fail(name.at, f"{name} is not an attribute", f"`name == {left}`.")
            return OneOf(name, (left,), negated)
        self._expect("(", "a list in parentheses")
        constants = [self._constant()]
        while self._next.matches(","):
            self._take()
            if not self._next.matches(")"):
                constants.append(self._constant())
        self._expect(")", "`,` or `)`")
        return OneOf(left, tuple(constants), negated)

    def _has(self) -> Condition:
        self._take()
        name = self._operand("an attribute")
        if isinstance(name, Constant):
            self._fail(name.at, f"{name} is not an attribute", "its name without quotes.")
        self._expect(")", "`)`")
        return HasAttribute(name)

    # Operands

    def _constant(self) -> Constant:
        constant = self._operand("a value")
        if isinstance(constant, AttributeName):
            hint = f"quotes, if you mean a text: {Constant(constant.text)}"
            self._fail(constant.at, f"{constant} is not a value", hint)
        return constant

    def _operand(self, wanted: str) -> AttributeName | Constant:
        token = self._next
        if token.kind in ("end", "sign") or token.matches(*KEYWORDS - {"true", "false"}):
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
            return AttributeName(token.text[1:-1].replace("``", "`"), quoted=True, at=token.at)
        if token.matches("true", "false"):
            return Constant(token.matches("true"), token.at)
        if token.matches(*_NULLS):
            self._fail(token.at, f"there is no value {token}", "`not has(name)`.")
        return AttributeName(token.text, at=token.at)
