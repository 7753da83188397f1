"""What tokens cost: the user's own table first, then a maintained package, else unknown.

A price belongs to one model at one place. What is not found is unknown: it is never nought,
and never the price of another model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from math import floor, isfinite, log10

from unillmrec.usage import Usage

MILLION = 1_000_000
_FIELDS = ("prompt", "cached", "completion", "per", "currency", "as_of")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of a currency."""

    amount: float
    currency: str

    def as_dict(self) -> dict[str, float]:
        """Return the amount by currency, as JSON outputs give it; nought may be of none."""
        return {self.currency: round(self.amount, 8)} if self.currency else {}


def told_amount(value: float) -> str:
    """Return an amount to the cent, or to two digits where it is less than that."""
    if value == 0 or abs(value) >= 1:
        return f"{value:,.2f}"
    return f"{value:.{min(max(2, 1 - floor(log10(abs(value)))), 8)}f}"


@dataclass(frozen=True, slots=True)
class Price:
    """What *per* tokens of a model cost, and since when or from where that is known.

    *cached* is for prompt tokens that the server had cached; None is the full price. Thinking
    is paid like any completion.
    """

    prompt: float
    completion: float
    cached: float | None = None
    per: int = MILLION
    currency: str = "USD"
    as_of: str = ""
    source: str = ""

    @property
    def of_cached(self) -> float:
        """The price of cached prompt tokens."""
        return self.prompt if self.cached is None else self.cached

    def cost_of(self, usage: Usage) -> Money | None:
        """Return what calls cost; None if the server did not say how many tokens they took.

        Where it does not say how many were cached, all are paid in full: the true cost may be
        lower.
        """
        if usage.prompt is None or usage.completion is None:
            return None
        return Money(self.known_cost(usage), self.currency)

    def known_cost(self, usage: Usage) -> float:
        """Return what the reported part of *usage* cost; the true cost is not lower."""
        saved = (self.prompt - self.of_cached) * (usage.cached or 0)
        whole = self.prompt * usage.known_prompt + self.completion * usage.known_completion
        return (whole - saved) / self.per

    def at_most(self, prompt: int, completion: int) -> float:
        """Return what so many tokens cost when none is cached, as a `BudgetTracker` asks for it."""
        return (self.prompt * prompt + self.completion * completion) / self.per

    def told(self) -> str:
        """Return the price in words."""
        per = "a million" if self.per == MILLION else f"{self.per:,}"
        cached = f", cached {self.cached:g}" if self.cached is not None else ""
        known = " ".join(filter(None, (self.source, f"of {self.as_of}" if self.as_of else "")))
        return (
            f"{self.currency} {self.prompt:g} for {per} prompt tokens{cached}, "
            f"{self.completion:g} for completion{f' ({known})' if known else ''}"
        )


def read_prices(table: Mapping[str, object]) -> dict[str, Price]:
    """Read a table of prices by model, as a settings file holds it.

    Raises:
        ValueError: an entry is no price; it says which, and what one looks like.
    """
    return {name: _read_price(name, entry) for name, entry in table.items()}


def _read_price(name: str, entry: object) -> Price:
    told = f'for {name!r} an entry such as {{ prompt = 0.15, completion = 0.6, currency = "USD" }}'
    if not isinstance(entry, Mapping):
        raise ValueError(told)
    if unknown := sorted(entry.keys() - set(_FIELDS)):
        raise ValueError(f"{told}, without {unknown[0]!r}")
    if not {"prompt", "completion"} <= entry.keys():
        raise ValueError(told)
    for field, value in entry.items():
        if not _fits(field, value):
            raise ValueError(f"{told}: {field} cannot be {value!r}")
    values = dict(entry)
    values["as_of"] = str(values.get("as_of", ""))[:10]
    return Price(**values, source="your prices")


def _fits(field: str, value: object) -> bool:
    """Return whether a value is one that a field of a price may have."""
    if field == "currency":
        return isinstance(value, str) and bool(value.strip())
    if field == "as_of":
        return isinstance(value, str | date)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return False
    return isinstance(value, int) and value > 0 if field == "per" else value >= 0


def price_of(
    model: str, base_url: str, name: str, own: Mapping[str, Price] | None = None
) -> Price | None:
    """Return what *model* costs at *base_url*, whose host is *name*; None if that is unknown.

    *own* is the user's table, whose keys are a model, or a model at a host, such as
    `qwen3:8b at localhost:11434`; what stands there wins.
    """
    table = own or {}
    for key in (f"{model} at {name}", model):
        if key in table:
            return table[key]
    return _from_package(model, base_url)


def _from_package(model: str, base_url: str) -> Price | None:
    """Return the price that the genai-prices package knows of, if it is installed.

    Its table is part of the package: nothing is downloaded. It goes by the address, so that a
    model of the same name elsewhere, on this machine above all, has no price.
    """
    if not base_url.startswith("https:"):
        return None
    try:
        import genai_prices
    except ImportError:
        return None

    def of(**tokens: int) -> float:
        # Few enough for the first tier, where prices go by the length of the prompt; no prompt
        # written here reaches a second one.
        usage = genai_prices.Usage(**tokens)
        found = genai_prices.calc_price(usage, model, provider_api_url=base_url)
        return float(found.total_price) * 1_000

    try:
        prompt, completion = of(input_tokens=1_000), of(output_tokens=1_000)
        cached = of(input_tokens=1_000, cache_read_tokens=1_000)
    except (LookupError, ValueError):
        return None
    source = f"genai-prices {genai_prices.__version__}"
    return Price(prompt, completion, None if cached == prompt else cached, source=source)
