"""Token prices: from the user's table, then from genai-prices, else unknown.

A price belongs to one model at one address. A missing price is unknown: never zero, and never the
price of another model.
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
        """Return the amount by currency, as in JSON output; empty without a currency."""
        return {self.currency: round(self.amount, 8)} if self.currency else {}


def format_amount(value: float) -> str:
    """Format an amount to the cent, or to two significant digits below one."""
    if value == 0 or abs(value) >= 1:
        return f"{value:,.2f}"
    return f"{value:.{min(max(2, 1 - floor(log10(abs(value)))), 8)}f}"


@dataclass(frozen=True, slots=True)
class Price:
    """The price of *per* tokens of a model, with its date or source.

    *cached* is the price of prompt tokens that the server served from its cache; None means the
    full price. Reasoning tokens cost as much as completion tokens.
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
        """Price of cached prompt tokens."""
        return self.prompt if self.cached is None else self.cached

    def cost_of(self, usage: Usage) -> Money | None:
        """Return the cost of *usage*; None if the server did not report its tokens.

        If it did not report cached tokens, all are charged in full: the true cost may be lower.
        """
        if usage.prompt is None or usage.completion is None:
            return None
        return Money(self.known_cost(usage), self.currency)

    def known_cost(self, usage: Usage) -> float:
        """Return the cost of the reported part of *usage*; the true cost is not lower."""
        saved = (self.prompt - self.of_cached) * (usage.cached or 0)
        whole = self.prompt * usage.known_prompt + self.completion * usage.known_completion
        return (whole - saved) / self.per

    def at_most(self, prompt: int, completion: int) -> float:
        """Return the cost of this many tokens if none is cached, for a `BudgetTracker`."""
        return (self.prompt * prompt + self.completion * completion) / self.per

    def describe(self) -> str:
        """Format the price in words."""
        per = "a million" if self.per == MILLION else f"{self.per:,}"
        cached = f", cached {self.cached:g}" if self.cached is not None else ""
        known = " ".join(filter(None, (self.source, f"of {self.as_of}" if self.as_of else "")))
        return (
            f"{self.currency} {self.prompt:g} for {per} prompt tokens{cached}, "
            f"{self.completion:g} for completion{f' ({known})' if known else ''}"
        )


def read_prices(table: Mapping[str, object]) -> dict[str, Price]:
    """Parse a table of prices by model, as in a settings file.

    Raises:
        ValueError: an entry is no price; the message shows what one looks like.
    """
    return {name: _read_price(name, entry) for name, entry in table.items()}


def _read_price(name: str, entry: object) -> Price:
    example = '{ prompt = 0.15, completion = 0.6, currency = "USD" }'
    expected = f"for {name!r} an entry such as {example}"
    if not isinstance(entry, Mapping):
        raise ValueError(expected)
    if unknown := sorted(entry.keys() - set(_FIELDS)):
        raise ValueError(f"{expected}, without {unknown[0]!r}")
    if not {"prompt", "completion"} <= entry.keys():
        raise ValueError(expected)
    for field, value in entry.items():
        if not _fits(field, value):
            raise ValueError(f"{expected}: {field} cannot be {value!r}")
    values = dict(entry)
    values["as_of"] = str(values.get("as_of", ""))[:10]
    return Price(**values, source="your prices")


def _fits(field: str, value: object) -> bool:
    """Return whether *value* is allowed in a field of a price."""
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
    """Return the price of *model* at *base_url*, whose host is *name*; None if it is unknown.

    *own* is the user's table. Its keys are a model, or a model at a host, such as `qwen3:8b at
    localhost:11434`; it takes precedence.
    """
    table = own or {}
    for key in (f"{model} at {name}", model):
        if key in table:
            return table[key]
    return _from_package(model, base_url)


def _from_package(model: str, base_url: str) -> Price | None:
    """Look up the price in the genai-prices package.

    Its table is part of the package: nothing is downloaded. Prices are found by address, so a
    model of the same name at another address, such as a local server, has none.
    """
    if not base_url.startswith("https:"):
        return None
    import genai_prices

    def of(**tokens: int) -> float:
        # Small enough for the first tier of prices that depend on the prompt length; our
        # prompts never reach the second.
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
