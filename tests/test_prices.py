import pytest

from unillmrec.budget import Budget, BudgetTracker
from unillmrec.errors import BudgetError
from unillmrec.prices import Money, Price, price_of, read_prices
from unillmrec.settings import Settings
from unillmrec.usage import Usage

MINI = Price(0.15, 0.6, cached=0.075)
HOSTED = ("https://api.openai.com/v1", "api.openai.com")


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(1, 1_000_000, 0), 0.15),
        (Usage(1, 1_000_000, 1_000_000), 0.75),
        (Usage(1, 1_000_000, 0, cached=400_000), 0.12),
        (Usage(1, 1_000_000, 1_000_000, cached=None, reasoning=900_000), 0.75),
        (Usage(), 0.0),
    ],
)
def test_the_cost_of_calls(usage, cost):
    """Cached tokens are part of the prompt, reasoning is part of the completion."""
    found = MINI.cost_of(usage)

    assert "USD" == found.currency
    assert cost == pytest.approx(found.amount)


@pytest.mark.parametrize("unknown", [Usage(1, None, 5), Usage(1, 5, None)])
def test_an_unknown_count_has_an_unknown_cost(unknown):
    """The known counts give a lower bound."""
    assert MINI.cost_of(unknown) is None
    assert MINI.known_cost(unknown) > 0


def test_a_price_may_be_for_any_number_of_tokens():
    """Some providers price by the thousand."""
    assert Money(3.0, "EUR") == Price(1, 2, per=1_000, currency="EUR").cost_of(Usage(1, 1000, 1000))


def test_a_budget_in_money_reserves_the_uncached_price():
    """A request reserves its cost without any cached tokens."""
    tracker = BudgetTracker(Budget(cost=0.001), MINI.at_most)

    tracker.reserve(4_000, 500)
    with pytest.raises(BudgetError):
        tracker.reserve(4_000, 500)


def test_the_users_own_price_wins():
    """A price for a model at a host goes before one for the model, and both before the package."""
    own = {"gpt-4o-mini": Price(1, 2), "gpt-4o-mini at api.openai.com": Price(3, 4)}

    assert Price(3, 4) == price_of("gpt-4o-mini", *HOSTED, own)
    assert Price(1, 2) == price_of("gpt-4o-mini", "http://127.0.0.1/v1", "127.0.0.1", own)


@pytest.mark.parametrize(
    ("model", "place"),
    [
        ("gpt-4o-mini", ("http://localhost:8080/v1", "localhost:8080")),
        ("gpt-4o-mini", ("https://llm.example.org/v1", "llm.example.org")),
        ("gpt-4o-mini-of-my-own", HOSTED),
        ("nobody-knows", HOSTED),
    ],
)
def test_an_unknown_price_stays_unknown(model, place):
    """A local server is not free, and similar models may have other prices."""
    assert price_of(model, *place) is None


def test_the_package_knows_hosted_models():
    """A model at its own host has a price with its source."""
    found = price_of("gpt-4o-mini", *HOSTED)

    assert found is not None
    assert found.source.startswith("genai-prices ")
    assert 0 < found.of_cached < found.prompt < found.completion


def test_prices_are_read_from_the_settings_file(tmp_path):
    """The table is by model; a date tells the age of the prices."""
    (tmp_path / "unillmrec.toml").write_text(
        '[prices."qwen3:8b at localhost:11434"]\nprompt = 0\ncompletion = 0\ncurrency = "EUR"\n'
        "[prices.mine]\nprompt = 1\ncached = 0.5\ncompletion = 2\nper = 1000\nas_of = 2026-11-01\n"
    )

    prices = Settings.resolve({}, {}, tmp_path).prices

    free, mine = prices["qwen3:8b at localhost:11434"], prices["mine"]
    assert Money(0, "EUR") == free.cost_of(Usage(1, 10, 10))
    assert Price(1, 2, 0.5, 1000, "USD", "2026-11-01", "your prices") == mine
    assert "USD 1 for 1,000 prompt tokens, cached 0.5, 2 for completion" in mine.describe()


@pytest.mark.parametrize(
    "entry",
    [
        0.15,
        {"prompt": 1},
        {"prompt": 1, "completion": "2"},
        {"prompt": -1, "completion": 2},
        {"prompt": float("nan"), "completion": 2},
        {"prompt": True, "completion": 2},
        {"prompt": 1, "completion": 2, "per": 0},
        {"prompt": 1, "completion": 2, "currency": " "},
        {"prompt": 1, "completion": 2, "input": 3},
    ],
)
def test_an_invalid_price_is_refused(entry):
    """The error names the model and shows an example of an entry."""
    with pytest.raises(ValueError, match=r"for 'm' an entry such as \{ prompt = 0.15"):
        read_prices({"m": entry})
