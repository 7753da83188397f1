import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.tokens import TokenCounter, counter, ranks, vocabulary

KNOWN = json.loads(Path(__file__).with_name("known_counts.json").read_text(encoding="utf-8"))
SENTENCE = "The quick brown fox jumps over the lazy dog, and then some more"
# Text as catalogs have it, and text as nobody should have it.
TEXTS = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.sampled_from(["Dune ", "三体", "🚀", "👩\u200d👧", "e\u0301", "  ", "\n", "1984"])
    ).map("".join),
)


@pytest.fixture
def fresh() -> Iterator[None]:
    """Reload the vocabulary in a test, and again after it."""
    vocabulary._load.cache_clear()
    yield
    vocabulary._load.cache_clear()


@pytest.fixture
def without_ranks(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> dict[bytes, int]:
        raise FileNotFoundError("no o200k_base.xz")

    monkeypatch.setattr(ranks, "bundled", missing)


@pytest.mark.parametrize(("text", "expected"), KNOWN)
def test_counts_equal_those_of_tiktoken(text: str, expected: int) -> None:
    """In every script and for odd input, compared with o200k_base."""
    actual = TokenCounter.for_model("gpt-4o").count(text)

    assert expected == actual


@pytest.mark.parametrize(("text", "expected"), [("a" * 5000, 625), (" " * 300, 3)])
def test_counts_long_runs(text: str, expected: int) -> None:
    """Runs of one character are counted exactly too."""
    actual = TokenCounter.for_model("gpt-4o").count(text)

    assert expected == actual


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4o",
        "gpt-4o-mini-2024-07-18",
        "chatgpt-4o-latest",
        "gpt-4.1-nano",
        "gpt-4.5-preview",
        "gpt-5",
        "GPT-5.6-luna",
        "gpt-oss:20b",
        "o1",
        "o3-mini",
        "o4-mini",
        "openai/gpt-4o",
        "openrouter/openai/o3",
        "openai:gpt-4o",
        "openai.gpt-oss-120b-1:0",
        "ft:gpt-4o-mini-2024-07-18:shop::x1",
    ],
)
def test_counts_are_exact_for_o200k_models(model: str) -> None:
    """They are recognised with a provider prefix and as fine-tuned models too."""
    assert "exact" == TokenCounter.for_model(model).method


@pytest.mark.parametrize(
    "model",
    [
        None,
        "",
        "gpt-4",
        "gpt-4-turbo",
        "gpt-3.5-turbo",
        "ft:gpt-3.5-turbo:o1::x1",
        "qwen3:8b",
        "llama-3.3-70b",
        "o1x",
        "marco-o1",
        "my-gpt-4o",
    ],
)
def test_counts_are_estimates_for_other_models(model: str | None) -> None:
    """A model with another vocabulary, or no model, gets counts marked as estimates."""
    assert "estimate" == TokenCounter.for_model(model).method


def test_message_overhead_is_counted() -> None:
    """Each message costs three more tokens, and the request another three."""
    counter = TokenCounter.for_model("gpt-4o")

    assert 4 + 1 + 2 * 3 + 3 == counter.count_messages(["Hello, world!", "a"])
    assert 3 == counter.count_messages([])


@pytest.mark.parametrize(
    ("model", "text", "margin", "at_most"),
    [
        ("gpt-4o", "Hello, world!", 0.02, 11),  # 10 * 1.02
        ("llama-3", "Hello, world!", 0.35, 14),  # 10 * 1.35
        ("llama-3", "吾輩は猫である", 0.35, 21),  # 13 * 1.60
    ],
)
def test_margins_grow_with_the_distance_from_the_vocabulary(
    model: str, text: str, margin: float, at_most: int
) -> None:
    """The margin is largest for other models and non-Latin scripts."""
    counter = TokenCounter.for_model(model)

    assert margin == counter.margin
    assert at_most == counter.at_most([text])


@pytest.mark.usefixtures("without_ranks")
def test_without_the_rank_file_counts_are_rough() -> None:
    """They are marked as rough, with the reason."""
    counter = TokenCounter.for_model("gpt-4o")

    assert "rough" == counter.method
    assert "FileNotFoundError: no o200k_base.xz" == counter.problem
    assert 1.0 == counter.margin
    assert 0 < counter.count(SENTENCE) < len(SENTENCE)


@pytest.mark.usefixtures("fresh")
def test_without_tiktoken_counts_are_rough(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are marked as rough."""
    monkeypatch.setitem(sys.modules, "tiktoken", None)

    counter = TokenCounter.for_model("gpt-4o")

    assert "rough" == counter.method
    assert "tiktoken" in counter.problem


def test_a_loaded_vocabulary_has_no_problem() -> None:
    """The problem is empty."""
    assert "" == TokenCounter.for_model("gpt-4o").problem


@given(text=TEXTS, limit=st.integers(-1, 40))
def test_a_truncated_text_fits_and_is_a_prefix(text: str, limit: int) -> None:
    """It is within the limit, splits no character, and a fitting text is unchanged."""
    counter = TokenCounter.for_model("gpt-4o")

    actual = counter.cut(text, limit)

    assert counter.count(actual) <= max(limit, 0)
    if counter.count(text) <= limit:
        assert text == actual
    else:
        assert text.startswith(actual.removesuffix("…"))
        assert actual == "" or actual.endswith("…")


def test_truncation_by_rough_counts_fits_too(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit holds for rough counts as well."""
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    counter = TokenCounter.for_model("gpt-4o")

    @given(text=TEXTS, limit=st.integers(0, 40))
    def holds(text: str, limit: int) -> None:
        actual = counter.cut(text, limit)
        assert counter.count(actual) <= limit
        assert text == actual or text.startswith(actual.removesuffix("…"))

    holds()
    assert "rough" == counter.method


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (0, ""),
        (1, "…"),
        (2, "The…"),
        (5, "The quick brown fox…"),
        (13, "The quick brown fox jumps over the lazy dog, and then…"),
        (14, SENTENCE),
    ],
)
def test_truncation_keeps_the_longest_prefix(limit: int, expected: str) -> None:
    """The ellipsis counts towards the limit."""
    assert expected == TokenCounter.for_model("gpt-4o").cut(SENTENCE, limit)


def test_truncation_drops_a_trailing_space_or_joiner() -> None:
    """Neither stands before the ellipsis."""
    counter = TokenCounter.for_model("gpt-4o")

    assert "…" == counter.cut(" " * 1000, 2)
    assert not any(
        counter.cut("👩\u200d👩\u200d👧\u200d👦", limit).endswith("\u200d…") for limit in range(12)
    )


def test_truncating_a_book_costs_no_more_than_a_page() -> None:
    """Text far beyond the limit is not processed."""
    counter = TokenCounter.for_model("gpt-4o")
    book = SENTENCE * 100_000
    started = time.process_time()

    actual = counter.cut(book, 50)

    assert 50 == counter.count(actual)
    assert time.process_time() - started < 0.2


def test_short_texts_need_no_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text with fewer bytes than the token limit is returned without loading anything."""

    def refused() -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(counter, "load", refused)

    assert "Dune" == TokenCounter.for_model("gpt-4o").cut("Dune", 4)
    with pytest.raises(AssertionError, match="loaded"):
        TokenCounter.for_model("gpt-4o").cut("三体", 4)


def test_importing_loads_nothing() -> None:
    """Neither tiktoken nor the ranks are loaded before the first count."""
    code = (
        "import sys; from unillmrec.tokens import TokenCounter, vocabulary; "
        "TokenCounter.for_model('gpt-4o').cut('Dune', 10); "
        "print('tiktoken' in sys.modules, vocabulary._load.cache_info().misses)"
    )
    root = Path(vocabulary.__file__).parents[2]

    actual = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )

    assert "False 0\n" == actual.stdout


@pytest.mark.usefixtures("fresh")
def test_threads_load_the_vocabulary_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that count at the same time wait for a single load."""
    loads = []
    bundled = ranks.bundled
    monkeypatch.setattr(ranks, "bundled", lambda: loads.append(1) or bundled())
    counts: list[int] = []
    together = threading.Barrier(4)

    def count() -> None:
        together.wait()
        counts.append(TokenCounter.for_model("gpt-4o").count(SENTENCE))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [14] * 4 == counts
    assert [1] == loads


@pytest.mark.usefixtures("fresh")
def test_loading_uses_no_network_and_no_global_state_of_tiktoken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is downloaded, cached or registered."""
    import tiktoken.load
    import tiktoken.registry

    def refused(path: str) -> bytes:
        raise AssertionError(path)

    monkeypatch.setattr(tiktoken.load, "read_file", refused)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    registered = dict(tiktoken.registry.ENCODINGS)

    assert 14 == TokenCounter.for_model("gpt-4o").count(SENTENCE)
    assert [] == list(tmp_path.iterdir())
    assert registered == tiktoken.registry.ENCODINGS


@pytest.mark.usefixtures("fresh")
def test_loading_takes_less_than_a_second_of_processor_time() -> None:
    """It takes about 0.2 s on one core; the bound allows for slow ones."""
    started = time.process_time()

    TokenCounter.for_model("gpt-4o").count(SENTENCE)

    assert time.process_time() - started < 1.0
