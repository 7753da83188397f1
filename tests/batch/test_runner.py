"""Batches: complete, interrupted, and resumed."""

from dataclasses import replace
from time import sleep

import pytest

from tests.batch.conftest import SHORT, Scripted, histories
from unillmrec.batch.runner import FAILURES_BEFORE_STOP
from unillmrec.budget import Budget
from unillmrec.endpoint import AnswerError, CallError, FailureKind, Reply
from unillmrec.errors import BatchError, BudgetError
from unillmrec.judge.voting import VotingJudge
from unillmrec.prices import Price
from unillmrec.recommending.recommender import Recommender
from unillmrec.stages import Person
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Usage


class Killed(BaseException):
    """Interrupts a run, as a signal does."""


def call_error(kind):
    error = CallError(f"a failure of kind {kind}.")
    error.kind = kind
    return error


def fails(number, error):
    """Raise *error* at one call only."""

    def before(asked):
        if asked == number:
            raise error

    return before


def test_the_lists_are_those_of_single_recommendations(people, run, lines, words):
    """There is a line per person, in the order of the file."""
    report = run(people(histories(7)))

    assert report.finished
    assert [f"person-{n}" for n in range(7)] == [each["id"] for each in lines()]
    alone = Recommender(words).recommend_to(Person(("item-003", "item-053")), SHORT)
    assert [each.item.id for each in alone.items] == [each["id"] for each in lines()[3]["items"]]


def test_the_bill_is_the_sum_of_the_lines(people, run, lines):
    """It also equals the number of requests to the endpoint."""
    scripted = Scripted()

    report = run(people(histories(5)), scripted)

    assert scripted.asked == report.total_usage().calls
    assert scripted.asked == sum(each["usage"]["total"]["calls"] for each in lines())


def test_progress_reports_the_cost(people, run):
    """It grows after each person, not only at the end."""
    costs = []

    report = run(
        people(histories(4)),
        Scripted(),
        price=Price(1, 1),
        on_progress=lambda report: costs.append(report.cost.amount),
    )

    assert sorted(costs) == costs
    assert 5 == len(set(costs))
    assert report.cost.amount == pytest.approx(costs[-1])


def test_bad_rows_are_skipped_and_reported(people, run, lines):
    """They are invalid, have unknown items only, or repeat an id."""
    good = histories(2)
    rows = [good[0], "{", {"id": "unknown", "history": ["nothing"]}, good[0], good[1]]

    report = run(people(rows))

    assert report.finished
    assert (2, 3) == (report.done, report.skipped)
    assert ["person-0", "person-1"] == [each["id"] for each in lines()]
    problems = lines("out.jsonl.problems.jsonl")
    assert [2, 3, 4] == [each["line"] for each in problems]
    assert "bad JSON" in problems[0]["problem"]
    assert "the only history item is not in words.tree" == problems[1]["problem"]
    assert "the id 'person-0' is already on line 1" == problems[2]["problem"]


def test_invalid_characters_affect_one_row_only(people, run, lines):
    """An invalid person id is reported; an invalid item id is an unknown item."""
    rows = [
        r'{"id": "a\u0000b", "like": "ships"}',
        r'{"id": "x\ud800", "like": "ships"}',
        r'{"id": "c", "history": ["item-001", "y\ud800", "z\u0000"]}',
    ]

    report = run(people(rows))

    assert report.finished
    assert ["c"] == [each["id"] for each in lines()]
    assert [1, 2] == [each["line"] for each in lines("out.jsonl.problems.jsonl")]


def test_unknown_items_of_a_history_are_counted(people, run, lines):
    """The other items of the history are used."""
    run(people([{"id": "a", "history": ["item-001", "gone", "gone too"]}]))

    assert [2] == [each["unknown_history"] for each in lines()]


@pytest.mark.parametrize("unordered", [False, True])
@pytest.mark.parametrize("number", [2, 5, 9, 14])
def test_an_interrupted_run_resumes(people, run, lines, tmp_path, number, unordered):
    """No line is missing or repeated, and no answered request is sent again."""
    path = people(histories(6))
    whole = Scripted()
    run(path, whole, out="whole.jsonl")
    # Every call but the failed one has a reply, which must be stored.
    first = Scripted(before=fails(number, Killed()))
    with pytest.raises(Killed):
        run(path, first, at_once=1, unordered=unordered)
    with (tmp_path / "out.jsonl").open("a") as out:
        out.write('{"id": "torn')
    second = Scripted()

    report = run(path, second, unordered=unordered)

    assert report.finished
    assert whole.asked == (first.asked - 1) + second.asked
    assert sorted(map(str, lines("whole.jsonl"))) == sorted(map(str, lines()))
    assert unordered or lines("whole.jsonl") == lines()
    assert not list(tmp_path.glob("*.batch*"))


def test_another_batch_is_not_resumed(people, run, words):
    """The error says what differs; --restart starts over."""
    path = people(histories(4))
    with pytest.raises(Killed):
        run(path, Scripted(before=fails(9, Killed())), at_once=1)

    with pytest.raises(BatchError, match="another where") as where:
        run(path, Scripted(), where="year > 1800")
    with pytest.raises(BatchError, match="another judge"):
        run(path)
    with pytest.raises(BatchError, match="another options") as options:
        run(path, Scripted(), recommend=SHORT.with_limit(2))
    people(histories(5))
    with pytest.raises(BatchError, match="another people"):
        run(path, Scripted())

    assert 'where was null, is "year > 1800"; no call was made.' == where.value.detail
    assert "limit was 3, is 2; no call was made." == options.value.detail
    assert run(path, Scripted(), restart=True).finished


def test_a_batch_is_not_resumed_with_a_changed_tree(people, run, words, tmp_path):
    """Some of the lists would be from an old catalog."""
    from shutil import copyfile

    from unillmrec.updating.changer import TreeChanger

    tree = tmp_path / "mine.tree"
    copyfile(words, tree)
    path = people(histories(4))
    with pytest.raises(Killed):
        run(path, Scripted(before=fails(9, Killed())), tree=tree, at_once=1)
    with TreeChanger(tree) as changer:
        changer.delete(["item-299"])

    with pytest.raises(BatchError, match="another tree"):
        run(path, Scripted(), tree=tree)


def test_a_finished_batch_is_not_repeated(people, run):
    """The same command again does not pay twice."""
    path = people(histories(2))
    run(path)

    with pytest.raises(BatchError, match=r"out\.jsonl exists already"):
        run(path)

    assert run(path, restart=True).finished


def test_a_wrong_key_fails_with_one_call(people, run, tmp_path):
    """No file is left in the way of the next attempt."""
    scripted = Scripted(before=fails(1, call_error(FailureKind.KEY)))

    report = run(people(histories(20)), scripted, at_once=8)

    assert FailureKind.KEY == report.stopped.kind
    assert 1 == scripted.asked
    assert [] == [each.name for each in tmp_path.iterdir() if each.name.startswith("out")]


def test_an_exhausted_account_ends_the_run(people, run, lines):
    """The lines so far are kept, and the next run completes the batch."""
    path = people(histories(9))
    scripted = Scripted(before=lambda n: _raise(call_error(FailureKind.MONEY)) if n > 12 else None)

    stopped = run(path, scripted)

    assert FailureKind.MONEY == stopped.stopped.kind
    assert not stopped.finished
    assert stopped.done == len(lines()) > 0
    assert run(path, Scripted()).finished
    assert 9 == len(lines())


def _raise(error):
    raise error


def test_a_failed_person_is_retried_by_the_next_run(people, run, lines):
    """The others are done."""
    path = people(histories(6))
    whole = Scripted()
    run(path, whole, out="whole.jsonl")
    scripted = Scripted(before=fails(7, call_error(FailureKind.TIMEOUT)))

    report = run(path, scripted, at_once=1)

    assert not report.finished
    assert report.stopped is None
    (failed,) = report.failed
    assert [failed.line] == [each["line"] for each in lines("out.jsonl.problems.jsonl")]
    assert 5 == len(lines())
    again = Scripted()
    assert run(path, again, at_once=1).finished
    assert whole.asked == scripted.asked - 1 + again.asked
    assert [f"person-{n}" for n in range(6)] == [each["id"] for each in lines()]


class Voting(Scripted):
    """The same with two votes per question about branches."""

    def build_judge(self, tree):
        made = super().build_judge(tree)
        return lambda wrap: VotingJudge(made(wrap), 2)


@pytest.mark.parametrize("number", [3, 5])
def test_a_failed_vote_fails_the_person(people, run, lines, number):
    """Nobody gets a list with fewer votes; the next run retries the person."""
    path = people(histories(1))
    whole = Voting()
    run(path, whole, out="whole.jsonl")

    report = run(path, Voting(before=fails(number, call_error(FailureKind.TIMEOUT))), at_once=1)

    assert (1, 0) == (len(report.failed), report.done)
    assert run(path, Voting(), at_once=1).finished
    assert lines("whole.jsonl") == lines()


@pytest.mark.parametrize("calls", [3, 4, 5, 6])
def test_a_budget_that_ends_between_two_votes_stops_the_batch(people, run, calls):
    """Nobody gets a list with fewer votes."""
    report = run(people(histories(1)), Voting(), budget=Budget(calls=calls), at_once=1)

    assert 0 == report.done
    assert isinstance(report.stopped, BudgetError)
    assert calls == report.total_usage().calls


def test_an_endpoint_that_is_down_ends_the_run(people, run):
    """It stops after a few failures in a row."""
    scripted = Scripted(before=lambda number: _raise(call_error(FailureKind.TIMEOUT)))

    report = run(people(histories(60)), scripted, at_once=4)

    assert FailureKind.TIMEOUT == report.stopped.kind
    assert FAILURES_BEFORE_STOP + 4 <= len(report.failed) < 20


def test_a_budget_holds_for_all_runs_together(people, run, lines):
    """It is never exceeded; with a larger one the batch resumes."""
    path = people(histories(8))
    first, second, third = Scripted(), Scripted(), Scripted()

    stopped = run(path, first, budget=Budget(calls=11))
    nothing = run(path, second, budget=Budget(calls=11))
    finished = run(path, third, budget=Budget(calls=10_000))

    assert isinstance(stopped.stopped, BudgetError)
    assert "calls" == stopped.stopped.limit
    assert 11 >= first.asked > 5
    assert isinstance(nothing.stopped, BudgetError)
    assert 11 >= first.asked + second.asked
    assert finished.finished
    assert 8 == len(lines())
    assert first.asked + second.asked + third.asked == finished.total_usage().calls


class Hesitant(Scripted):
    """Needs three requests per reply: one refuses a parameter, one fails."""

    def _answer(self, request):
        reply = Reply(super()._answer(request), Usage(1, 10, 10), "text", "stop", "m", 0.0)
        return replace(reply, retries=1, refused=1)


def test_a_budget_counts_repeated_and_refused_requests_of_earlier_runs(people, run):
    """They count for people who are done, for stored replies and for failed calls."""
    path = people(histories(8))
    failed = call_error(FailureKind.TIMEOUT)
    failed.retries = 4
    first, second = Hesitant(before=fails(9, failed)), Hesitant()

    run(path, first, budget=Budget(calls=11), at_once=1)
    sent = 3 * (first.asked - 1) + 5
    report = run(path, second, budget=Budget(calls=sent + 4), at_once=1)

    assert 11 == first.asked
    assert "calls" == report.stopped.limit
    assert 4 == second.asked


class Cheap(Scripted):
    """Uses a small part of each reservation."""

    def _answer(self, request):
        return Reply(super()._answer(request), Usage(1, 10, 10), "text", "stop", "scripted", 0.0)


def test_reservations_do_not_exhaust_a_budget(people, run):
    """Concurrent calls reserve more than they use, and wait for each other."""
    path = people(histories(6))
    alone = run(path, whole := Scripted(), out="alone.jsonl").total_usage()
    counter = TokenCounter.for_model("scripted")
    largest = max(
        counter.at_most([each.content for each in asked.messages]) + asked.max_output
        for asked in whole.endpoint.requests
    )
    scripted = Cheap(before=lambda number: sleep(0.002))

    budget = Budget(tokens=20 * alone.calls + largest)
    report = run(path, scripted, at_once=6, budget=budget)

    assert report.stopped is None
    assert report.finished


def test_people_are_read_in_blocks(people, run, lines, monkeypatch):
    """Only one block is in memory, in its own best order."""
    monkeypatch.setattr("unillmrec.batch.runner.BLOCK", 4)

    report = run(people(histories(10)), unordered=True)

    assert report.finished
    assert sorted(f"person-{n}" for n in range(10)) == sorted(each["id"] for each in lines())


@pytest.mark.parametrize("of", ["", ".batch", ".problems.jsonl"])
def test_inputs_are_not_overwritten(people, run, words, tmp_path, of):
    """Neither the people nor the tree, under any name, even with --restart."""
    path = people(histories(2), name=f"mine{of}")
    tree = tmp_path / f"tree{of}"
    tree.write_bytes(words.read_bytes())
    other = tmp_path / f"linked{of}"
    other.symlink_to(path)
    before = path.read_bytes()

    for out in ("mine", "linked", "tree"):
        with pytest.raises(BatchError, match="would be written over"):
            run(path, tree=tree, out=out, restart=True)

    assert before == path.read_bytes()
    assert words.read_bytes() == tree.read_bytes()


def test_two_runs_of_one_batch_do_not_mix(people, words, tmp_path):
    """The second one fails: the first must finish before."""
    from unillmrec.batch import Batch
    from unillmrec.people.people_file import PeopleFile
    from unillmrec.store import ItemTree

    path = people(histories(2))
    with (
        ItemTree.open(words) as tree,
        Batch(tree, PeopleFile(path), tmp_path / "out.jsonl"),
        pytest.raises(BatchError, match="is in use"),
    ):
        Batch(tree, PeopleFile(path), tmp_path / "out.jsonl")


def test_a_batch_in_progress_is_not_restarted(people, run, words, tmp_path):
    """Its journal is not cleared."""
    from unillmrec.batch import Batch
    from unillmrec.people.people_file import PeopleFile
    from unillmrec.store import ItemTree

    path = people(histories(2))
    with (
        ItemTree.open(words) as tree,
        Batch(tree, PeopleFile(path), tmp_path / "out.jsonl") as first,
    ):
        with pytest.raises(BatchError, match="is in use"):
            run(path, restart=True)

        assert first.run().finished


@pytest.mark.parametrize("pages", [1, 4, 9])
def test_a_full_disk_ends_the_run(people, run, lines, words, tmp_path, pages):
    """The error is clear wherever it happens; with more space the batch resumes."""
    from unillmrec.batch import Batch, BatchOptions
    from unillmrec.people.people_file import PeopleFile
    from unillmrec.store import ItemTree

    path = people(histories(9))
    scripted = Scripted()
    with (
        ItemTree.open(words) as tree,
        Batch(
            tree,
            PeopleFile(path),
            tmp_path / "out.jsonl",
            BatchOptions(SHORT, at_once=3),
            build_judge=scripted.build_judge(tree),
        ) as batch,
    ):
        db = batch.journal._db
        (size,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {size + pages}")
        try:
            stopped = batch.run().stopped
        except BatchError as error:
            stopped = error

    assert isinstance(stopped, BatchError)
    assert "out.jsonl.batch cannot be written: database or disk is full." in stopped.problem
    assert run(path, Scripted()).finished
    assert 9 == len(lines())


def test_a_reply_without_text_is_paid_for_once(people, run):
    """It is stored as any other, and replayed by the next run."""
    path = people(histories(3))
    empty = AnswerError("there is no text.")
    empty.usage = Usage(1, 10, 10)
    first = Scripted(before=lambda n: _raise({2: empty, 4: Killed()}[n]) if n in (2, 4) else None)
    with pytest.raises(Killed):
        run(path, first, at_once=1)
    second = Scripted()

    report = run(path, second, at_once=1)

    assert report.finished
    assert first.asked - 1 + second.asked == report.total_usage().calls


def test_paid_failed_calls_are_on_the_bill(people, run):
    """They stay there over all runs, though the person is retried."""
    path = people(histories(3))
    failed = call_error(FailureKind.TIMEOUT)
    failed.usage = Usage(1, 1_000, 10)
    first, second = Scripted(before=fails(4, failed)), Scripted()

    run(path, first, at_once=1)
    report = run(path, second, at_once=1)

    assert report.finished
    assert first.asked + second.asked == report.total_usage().calls
