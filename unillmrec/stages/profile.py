"""The profile stage: from a history, or a sentence, to what the judge is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from unillmrec.errors import PersonError
from unillmrec.items import one_line
from unillmrec.judge import HistoryQuestion, Interest, Profile
from unillmrec.stages.interests import placed_interests, split_history
from unillmrec.stages.item_lines import item_line
from unillmrec.stages.run import Run
from unillmrec.store import ItemTree, PlacedItem
from unillmrec.tree.query_words import can_be_told
from unillmrec.tree.vectors import Vector, combine
from unillmrec.usage import Stage

NAME = Stage.PROFILE
# The last items carry nearly all there is to know; benchmarks/results/history.json.
RECENT = 10
DECAY = 0.7
# How a long history is sampled for the prompt: shares of its last, middle and first part.
SHARES = (0.6, 0.3, 0.1)
HISTORY_LINE = 110
TASTE_WORDS = 8
SENTENCE_LENGTH = 600


@dataclass(frozen=True, slots=True)
class Person:
    """Who the recommendation is for: a history of item ids, oldest first, or a sentence.

    *like* says what is wanted; *profile* is a finished profile. Either skips the profile
    call. A history beside them still places the person among the vectors and is left out
    of the result. *label* is what this person is called in the usage log, and nowhere else.
    """

    history: tuple[str, ...] = ()
    like: str = ""
    profile: str = ""
    label: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not (self.history or one_line(self.like) or one_line(self.profile)):
            raise PersonError(
                "nothing is known about the person.",
                remedy='--history ID,ID… or --like "what they want".',
            )


def profile(run: Run, person: Person, history: Sequence[PlacedItem]) -> Profile:
    """Return what the judge is told about *person*, whose *history* was looked up."""
    taste = taste_of(run.tree, person, [each.number for each in history])
    if said := _said(person):
        if taste is None and not run.judge.works_without_vector:
            raise _nothing_to_go_by(run.tree, said)
        return Profile((Interest(said, 1.0),), taste)
    question = HistoryQuestion(_sampled_lines(history, run.options.history), _words(run, taste))
    interests = run.ask_history(question).interests
    if run.options.interests == "apart":
        interests = _apart(run, interests, history[-RECENT:])
    return Profile(interests, taste)


def _apart(
    run: Run, interests: tuple[Interest, ...], recent: Sequence[PlacedItem]
) -> tuple[Interest, ...]:
    """Give interests their places; where the judge named but one, look for two in the items."""
    if len(interests) > 1:
        return placed_interests(run.tree, interests, recent, DECAY)
    return split_history(run.tree, recent, DECAY, lambda taste: _words(run, taste)) or interests


def _nothing_to_go_by(tree: ItemTree, said: str) -> PersonError:
    why = "none of its words is in the catalog" if tree.sparse else "its vectors are not of words"
    return PersonError(
        f"{tree.path.name} has nothing to compare {one_line(said, 60)!r} with: {why}.",
        remedy="other words, a --history, or a language model (--judge endpoint).",
    )


def _said(person: Person) -> str:
    return one_line(person.profile, SENTENCE_LENGTH) or one_line(person.like, SENTENCE_LENGTH)


def taste_of(tree: ItemTree, person: Person, history: Sequence[int]) -> Vector | None:
    """Return the person's place: that of their own words, or the mean of their last items.

    *history* are the numbers of the items, oldest first; the newest weighs most.
    """
    said = _said(person)
    spoken = tree.vector_of_text(said) if said else None
    if spoken is not None and len(spoken.weights):
        return spoken
    recent = history[-RECENT:]
    weights = [DECAY**age for age in reversed(range(len(recent)))]
    return combine(tree.item_vectors(recent), weights)


def _words(run: Run, taste: Vector | None) -> tuple[str, ...]:
    """Return the words that weigh most in a taste, the heaviest first."""
    if taste is None or taste.ids is None:
        return ()
    strong = taste.strongest(TASTE_WORDS * 4)
    assert strong.ids is not None
    terms = run.tree.terms_by_id(strong.ids.tolist())
    ordered = sorted(zip(strong.weights, strong.ids, strict=True), key=lambda pair: -pair[0])
    told = [terms[int(number)] for _, number in ordered]
    return tuple(word for word, _ in told if can_be_told(word))[:TASTE_WORDS]


def _sampled_lines(history: Sequence[PlacedItem], limit: int) -> tuple[str, ...]:
    """Return at most *limit* items as lines under headings, mostly recent ones.

    A long history keeps a sample of its long and medium past, evenly spread, so that an
    old love is not forgotten for last week's errand.
    """
    if len(history) <= limit:
        return tuple(f"- {item_line(each.item, HISTORY_LINE)}" for each in history)
    recent = max(1, round(SHARES[0] * limit))
    middle = round(SHARES[1] * limit)
    old = limit - recent - middle
    older, newest = history[:-recent], history[-recent:]
    half = len(older) // 2
    blocks = (
        ("Long ago:", _spread(older[:half], old)),
        ("Some time ago:", _spread(older[half:], middle)),
        ("Lately:", newest),
    )
    return tuple(
        line
        for heading, items in blocks
        if items
        for line in (heading, *(f"- {item_line(each.item, HISTORY_LINE)}" for each in items))
    )


def _spread(items: Sequence[PlacedItem], count: int) -> Sequence[PlacedItem]:
    """Return *count* of *items* at even distances, the last among them."""
    if len(items) <= count:
        return items
    return [items[(place + 1) * len(items) // count - 1] for place in range(count)]
