"""The profile stage: turn a history or a sentence into the profile that judges see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from unillmrec.errors import PersonError
from unillmrec.items import one_line
from unillmrec.judge import HistoryQuestion, Interest, Profile
from unillmrec.stages.interest_vectors import locate_interests, recency_weights, split_history
from unillmrec.stages.item_lines import format_item
from unillmrec.stages.run import Run
from unillmrec.store import ItemTree, PlacedItem
from unillmrec.tree.sentences.query_words import is_readable
from unillmrec.tree.vectors import Vector, combine
from unillmrec.usage import Stage

NAME = Stage.PROFILE
# The last items carry nearly all the information; benchmarks/results/history.json.
RECENT = 10
DECAY = 0.7
# How a long history is sampled for the prompt: shares of its last, middle and first part.
SHARES = (0.6, 0.3, 0.1)
HISTORY_LINE = 110
PROFILE_WORDS = 8
TITLE_LENGTH = 60
SENTENCE_LENGTH = 600


@dataclass(frozen=True, slots=True)
class Person:
    """The person to recommend to: a history of item ids, oldest first, or a sentence.

    *like* is a wish in the user's words, *profile* a finished profile; with either, no profile
    call is made. A history given in addition locates the person among the vectors, and its items
    are not recommended. *label* identifies the person in the usage log and nowhere else.
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

    @property
    def own_words(self) -> str:
        """The profile or wish in the user's words, in one line; empty if there is neither."""
        return one_line(self.profile, SENTENCE_LENGTH) or one_line(self.like, SENTENCE_LENGTH)


def profile(run: Run, person: Person, history: Sequence[PlacedItem]) -> Profile:
    """Return the profile of *person*, whose *history* holds the items themselves.

    Raises:
        PersonError: the judge works with vectors, and the person has none.
    """
    vector = person_vector(run.tree, person, [each.number for each in history])
    if words := person.own_words:
        if vector is None and not run.judge.works_without_vector:
            raise _no_vector(run.tree, words)
        return Profile((Interest(words, 1.0),), vector)
    if run.options.profile_from == "titles":
        interests = _titles(history[-RECENT:])
    else:
        lines = _sample_lines(history, run.options.history)
        question = HistoryQuestion(lines, _words(run.tree, vector))
        interests = run.asker.ask_history(question).interests
    if run.options.interests == "apart":
        interests = _with_vectors(run.tree, interests, history[-RECENT:])
    return Profile(interests, vector)


def person_vector(tree: ItemTree, person: Person, history: Sequence[int]) -> Vector | None:
    """Return a vector for a person: of their own words, or the sum of their last items.

    *history* are the numbers of the items, oldest first; the newest counts most.
    """
    words = person.own_words
    vector = tree.vector_of_sentence(words) if words else None
    if vector is not None and len(vector.weights):
        return vector
    recent = history[-RECENT:]
    return combine(tree.item_vectors(recent), recency_weights(len(recent), DECAY))


def _with_vectors(
    tree: ItemTree, interests: tuple[Interest, ...], recent: Sequence[PlacedItem]
) -> tuple[Interest, ...]:
    """Return interests with vectors; a single interest is split in two if the items suggest it."""
    if len(interests) > 1:
        return locate_interests(tree, interests, recent, DECAY)
    return split_history(tree, recent, DECAY, lambda vector: _words(tree, vector)) or interests


def _titles(recent: Sequence[PlacedItem]) -> tuple[Interest, ...]:
    """Return the titles of items as one interest, the newest first."""
    titles = [one_line(each.item.title, TITLE_LENGTH) for each in reversed(recent)]
    return (Interest(f"items like {'; '.join(titles)}", 1.0),)


def _no_vector(tree: ItemTree, words: str) -> PersonError:
    why = "none of its words is in the catalog" if tree.sparse else "its vectors are not of words"
    return PersonError(
        f"{tree.path.name} has nothing to compare {one_line(words, 60)!r} with: {why}.",
        remedy="other words, a --history, or a language model (--judge endpoint).",
    )


def _words(tree: ItemTree, vector: Vector | None) -> tuple[str, ...]:
    """Return the words with the highest weights in a vector, the heaviest first."""
    if vector is None or vector.ids is None:
        return ()
    strong = vector.strongest(PROFILE_WORDS * 4)
    assert strong.ids is not None
    terms = tree.terms_by_id(strong.ids.tolist())
    ordered = sorted(zip(strong.weights, strong.ids, strict=True), key=lambda pair: -pair[0])
    words = [terms[int(number)][0] for _, number in ordered]
    return tuple(word for word in words if is_readable(word))[:PROFILE_WORDS]


def _sample_lines(history: Sequence[PlacedItem], limit: int) -> tuple[str, ...]:
    """Return at most *limit* items as lines, mostly recent ones.

    A long history gets headings, and keeps an even sample of its older parts, so that a few
    recent items do not hide an interest of many years.
    """
    if len(history) <= limit:
        return tuple(map(_history_line, history))
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
        line for heading, items in blocks if items for line in (heading, *map(_history_line, items))
    )


def _history_line(each: PlacedItem) -> str:
    return f"- {format_item(each.item, HISTORY_LINE)}"


def _spread(items: Sequence[PlacedItem], count: int) -> Sequence[PlacedItem]:
    """Return *count* of *items* at even distances, the last one included."""
    if len(items) <= count:
        return items
    return [items[(place + 1) * len(items) // count - 1] for place in range(count)]
