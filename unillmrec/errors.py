"""All errors, as one tree.

UnillmrecError              exit code 3 unless noted otherwise
├── CatalogError            a catalog file or a line of it
├── PersonError             a history or a sentence about a person
├── TreeError               building or reading an item tree
├── StoreError              the file of a tree
├── PromptError             a prompt file and its placeholders
├── PredicateError          a filter expression, such as price < 20
├── SettingsError           a flag, a variable or the settings file
├── MissingExtraError       an optional package that is not installed
├── BatchError              a batch that cannot start or resume
├── EvaluationError         histories, a split or a data set for an evaluation
├── BudgetError             a budget that is spent
├── EndpointError           exit code 4: a model on a server
└── ReplyError              exit code 5: a reply that cannot be used
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from unillmrec.usage import Exchange


class UnillmrecError(Exception):
    """A mistake or failure that the user can do something about.

    *problem* says what and where, *detail* the consequence, *remedy* what to do, preferably a
    command; `str()` joins them, one per line. *exchanges* are the model calls made before the
    error ended a question, including the failed one: they were paid for, and belong on the bill
    and in the trace.
    """

    exit_code = 3
    exchanges: tuple[Exchange, ...] = ()

    def __init__(self, problem: str, *, detail: str = "", remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.detail = detail
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [self.problem]
        if self.detail:
            lines.append(f"  {self.detail}")
        if self.remedy:
            lines.append(f"  Try: {self.remedy}")
        return "\n".join(lines)


class CatalogError(UnillmrecError):
    """A catalog file, or a line of it, cannot be read."""


class PersonError(UnillmrecError):
    """A history or a sentence about a person cannot be used."""


class TreeError(UnillmrecError):
    """An item tree cannot be built, or is not what it should be."""


class StoreError(UnillmrecError):
    """The file of a tree is missing, of another kind, too new, or cannot be written."""


class PromptError(UnillmrecError):
    """A prompt file is missing, misnamed, or its placeholders do not fit its stage."""


class PredicateError(UnillmrecError):
    """An expression over attributes cannot be read, or does not fit the catalog."""


class SettingsError(UnillmrecError):
    """A flag, a variable or the settings file holds something unusable."""


class MissingExtraError(UnillmrecError):
    """A feature needs a package that is not installed."""

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the package {package!r}, which is not installed.",
            remedy=f"pip install 'unillmrec[{extra}]'",
        )


class EvaluationError(UnillmrecError):
    """Histories, a split or a data set cannot be used for an evaluation."""


class BudgetError(UnillmrecError):
    """A request does not fit into the remaining budget; *limit* names the limit."""

    def __init__(self, limit: Literal["tokens", "calls", "deadline", "cost"], problem: str) -> None:
        super().__init__(problem, remedy="a larger budget.")
        self.limit = limit


class BatchError(UnillmrecError):
    """A batch does not match what was started, or its files are in the way."""


class EndpointError(UnillmrecError):
    """The endpoint refused, failed, or could not be reached.

    *retryable* says whether the same request may succeed later; *status* is the HTTP status, if
    there was one.
    """

    exit_code = 4

    def __init__(
        self,
        problem: str,
        *,
        detail: str = "",
        remedy: str = "",
        retryable: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(problem, detail=detail, remedy=remedy)
        self.retryable = retryable
        self.status = status


class ReplyError(UnillmrecError):
    """The model replied, and nothing in the reply could be used."""

    exit_code = 5
