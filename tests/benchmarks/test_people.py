"""People to tune on."""

import numpy as np

from benchmarks import people
from benchmarks.people import interactions_of, last_out, not_examined, shelf_of, shortened
from benchmarks.small import write_sets
from unillmrec.evaluation.data.cases import ItemIndex
from unillmrec.evaluation.data.split import SplitProtocol, split
from unillmrec.items import Item
from unillmrec.people.interactions import read_interactions

PEOPLE = 12


def whole(tmp_path):
    """Everybody meets five items in turn, one of them without liking it."""
    met = tmp_path / "interactions.csv"
    rows = [
        f"p{person},i{(person * 7 + step * 5) % 60},{step},{1 if step == 1 else 5}"
        for person in range(PEOPLE)
        for step in range(5)
    ]
    met.write_text("user_id,item_id,timestamp,rating\n" + "\n".join(rows) + "\n")
    index = ItemIndex(
        tuple(Item(f"i{n}", f"Thing{'abcdefghij'[n % 10] * (n // 10 + 1)}") for n in range(60))
    )
    return split(read_interactions(met), index, SplitProtocol(people=0, least_rating=4))


def learnt(held_out, number):
    """What a trained system has of the person of a case."""
    training = held_out.data.training
    return {
        held_out.data.index.items[place].id
        for place in training.item[training.person == held_out.rows[number]]
    }


def test_a_trained_system_has_nothing_of_what_it_is_tuned_by(tmp_path):
    """The item held out of the history is held out of the rows learnt from, and no other is."""
    everybody = whole(tmp_path)
    for case in everybody.data.cases:
        assert set(case.history) == learnt(everybody, case.number)

    tuned = shortened(everybody, everybody.data.cases[4:], 5)

    assert 5 == len(tuned.data.cases)
    for case in tuned.data.cases:
        assert not tuned.truth.items_of(case.number) & learnt(tuned, case.number)
        assert set(case.history) == learnt(tuned, case.number)
    assert len(everybody.data.training.item) - 5 == len(tuned.data.training.item)
    others = set(everybody.rows.values()) - set(tuned.rows.values())
    for person in others:
        before, after = (
            each.data.training.item[each.data.training.person == person]
            for each in (everybody, tuned)
        )
        assert np.array_equal(before, after)


def test_what_people_to_tune_on_disliked_is_not_recommended_to_them(tmp_path):
    """As it is not to those who are asked about."""
    everybody = whole(tmp_path)
    tuned = shortened(everybody, everybody.data.cases, 5)

    assert all(case.disliked for case in everybody.data.cases)
    assert [case.disliked for case in everybody.data.cases[:5]] == [
        case.disliked for case in tuned.data.cases
    ]


def test_defaults_are_chosen_by_people_whom_no_evaluation_asks(tmp_path, monkeypatch):
    """Ten of thirty are asked: the other twenty are left, by what they met."""
    write_sets(tmp_path, ("ml-1m",))
    monkeypatch.setattr(people, "PEOPLE", 10)
    index = shelf_of(tmp_path, "ml-1m")
    asked = last_out(interactions_of(tmp_path, "ml-1m"), index, "ml-1m", 10)
    histories = {case.history for case in asked.data.cases}

    found = not_examined(tmp_path, "ml-1m", 100)

    ids = [item.id for item in found.items]
    others = {tuple(ids[place] for place in each.history) for each in found.people}
    assert len(histories) == 10
    assert len(others) == 20
    assert not histories & others
