import random

from unillmrec.testing.prefix_cache import PrefixCache


def words(text):
    return len(text.split())


def test_the_start_of_an_earlier_prompt_is_cached():
    """As far as the texts agree, in tokens."""
    cache = PrefixCache(2, words)

    assert 0 == cache.add("one two three four")
    assert 3 == cache.add("one two three 4")
    assert 4 == cache.add("one two three four")
    assert 4 == cache.add("one two three four five")
    assert 0 == cache.add("two three four")


def test_short_prefixes_are_not_cached():
    """Providers have a minimum, often 1,024 tokens."""
    cache = PrefixCache(3, words)
    cache.add("one two three four")

    assert 0 == cache.add("one two x")
    assert 3 == cache.add("one two three x")


def test_the_longest_earlier_prefix_counts():
    """The result equals that of comparing with every earlier prompt."""
    dice = random.Random(5)
    prompts = ["".join(dice.choices("ab", k=dice.randint(1, 12))) for _ in range(300)]
    cache = PrefixCache(0, len)

    for place, prompt in enumerate(prompts):
        common = [
            next(
                (n for n, (a, b) in enumerate(zip(prompt, each, strict=False)) if a != b),
                min(len(prompt), len(each)),
            )
            for each in prompts[:place]
        ]
        assert max(common, default=0) == cache.add(prompt)
