"""A batch from start to end, broken off, and gone on with."""

from dataclasses import replace
from time import sleep

import pytest

from tests.batch.conftest import SHORT, Scripted, histories
from unillmrec.batch.runner import PATIENCE
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
    """What ends a run in the middle, as a signal does."""


def call_error(kind):
    error = CallError(f"a failure of kind {kind}.")
    error.kind = kind
    return error


def fails(number, error):
    """Raise *error* with one call, and with none before or after."""

    def before(asked):
        if asked == number:
            raise error

    return before


def test_everybody_gets_the_list_that_one_person_would_get(people, run, lines, words):
    """A line for each, in the order of the file, however they were asked about."""
    report = run(people(histories(7)))

    assert report.finished
    assert [f"person-{n}" for n in range(7)] == [each["id"] for each in lines()]
    alone = Recommender(words).recommend_to(Person(("item-003", "item-053")), SHORT)
    assert [each.item.id for each in alone.items] == [each["id"] for each in lines()[3]["items"]]


def test_the_bill_is_the_sum_of_the_lines(people, run, lines):
    """And of what the endpoint was asked."""
    scripted = Scripted()

    report = run(people(histories(5)), scripted)

    assert scripted.asked == report.total_usage().calls
    assert scripted.asked == sum(each["usage"]["total"]["calls"] for each in lines())


def test_money_is_told_on_the_way(people, run):
    """After each person, and not only in the end."""
    told = []

    report = run(
        people(histories(4)),
        Scripted(),
        price=Price(1, 1),
        told=lambda report: told.append(report.cost.amount),
    )

    assert sorted(told) == told
    assert 5 == len(set(told))
    assert report.cost.amount == pytest.approx(told[-1])


def test_bad_rows_are_told_and_left_out(people, run, lines):
    """Broken, without anything known, with nothing that the tree knows, or a second time."""
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


def test_odd_characters_are_a_matter_of_one_row(people, run, lines):
    """An id that cannot be kept is told; in a history it is an item that the tree lacks."""
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
    """What left the catalog says nothing about the rest."""
    run(people([{"id": "a", "history": ["item-001", "gone", "gone too"]}]))

    assert [2] == [each["unknown_history"] for each in lines()]


@pytest.mark.parametrize("as_they_come", [False, True])
@pytest.mark.parametrize("number", [2, 5, 9, 14])
def test_a_run_that_was_broken_off_goes_on(people, run, lines, tmp_path, number, as_they_come):
    """No line is missing, none is there twice, and nothing that was answered is asked again."""
    path = people(histories(6))
    whole = Scripted()
    run(path, whole, out="whole.jsonl")
    # Only the call that fails gets no answer, so that every other one is to be kept.
    first = Scripted(before=fails(number, Killed()))
    with pytest.raises(Killed):
        run(path, first, at_once=1, as_they_come=as_they_come)
    with (tmp_path / "out.jsonl").open("a") as out:
        out.write('{"id": "torn')
    second = Scripted()

    report = run(path, second, as_they_come=as_they_come)

    assert report.finished
    assert whole.asked == (first.asked - 1) + second.asked
    assert sorted(map(str, lines("whole.jsonl"))) == sorted(map(str, lines()))
    assert as_they_come or lines("whole.jsonl") == lines()
    assert not list(tmp_path.glob("*.batch*"))


def test_another_batch_is_not_gone_on_with(people, run, words):
    """It says what differs; --restart begins anew."""
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

    assert 'where was null, is "year > 1800"; nothing was asked.' == where.value.detail
    assert "limit was 3, is 2; nothing was asked." == options.value.detail
    assert run(path, Scripted(), restart=True).finished


def test_a_tree_that_changed_is_another_one(people, run, words, tmp_path):
    """Half of the lists would be of a catalog that is no more."""
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


def test_what_is_finished_is_not_begun_again(people, run):
    """Nobody pays twice by pressing the arrow key."""
    path = people(histories(2))
    run(path)

    with pytest.raises(BatchError, match=r"out\.jsonl exists already"):
        run(path)

    assert run(path, restart=True).finished


def test_a_wrong_key_is_found_out_with_one_call(people, run, tmp_path):
    """And leaves nothing behind that would be in the way."""
    scripted = Scripted(before=fails(1, call_error(FailureKind.KEY)))

    report = run(people(histories(20)), scripted, at_once=8)

    assert FailureKind.KEY == report.stopped.kind
    assert 1 == scripted.asked
    assert [] == [each.name for each in tmp_path.iterdir() if each.name.startswith("out")]


def test_no_money_ends_the_run_and_keeps_what_is_done(people, run, lines):
    """What is under way comes to its end; then everybody else is done."""
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


def test_a_person_that_fails_is_asked_about_again(people, run, lines):
    """The others are done; the next run asks for this one only."""
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
    """The same, asked twice about branches."""

    def judge_over(self, tree):
        made = super().judge_over(tree)
        return lambda over: VotingJudge(made(over), 2)


@pytest.mark.parametrize("number", [3, 5])
def test_nobody_gets_a_list_of_fewer_votes(people, run, lines, number):
    """A vote that fails is a call that failed: the person is asked about again."""
    path = people(histories(1))
    whole = Voting()
    run(path, whole, out="whole.jsonl")

    report = run(path, Voting(before=fails(number, call_error(FailureKind.TIMEOUT))), at_once=1)

    assert (1, 0) == (len(report.failed), report.done)
    assert run(path, Voting(), at_once=1).finished
    assert lines("whole.jsonl") == lines()


@pytest.mark.parametrize("calls", [3, 4, 5, 6])
def test_a_budget_that_ends_between_two_votes_leaves_nobody_done(people, run, calls):
    """What is asked for is a list of all votes, or none yet."""
    report = run(people(histories(1)), Voting(), budget=Budget(calls=calls), at_once=1)

    assert 0 == report.done
    assert isinstance(report.stopped, BudgetError)
    assert calls == report.total_usage().calls


def test_an_endpoint_that_is_down_ends_the_run(people, run):
    """Not everybody has to fail for that."""
    scripted = Scripted(before=lambda number: _raise(call_error(FailureKind.TIMEOUT)))

    report = run(people(histories(60)), scripted, at_once=4)

    assert FailureKind.TIMEOUT == report.stopped.kind
    assert PATIENCE + 4 <= len(report.failed) < 20


def test_a_budget_holds_for_all_runs_together(people, run, lines):
    """It is never passed; with a larger one the batch goes on."""
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
    """Is asked three times for each answer: once it refuses a parameter, once it fails."""

    def _answer(self, request):
        reply = Reply(super()._answer(request), Usage(1, 10, 10), "text", "stop", "m", 0.0)
        return replace(reply, retries=1, refused=1)


def test_a_budget_counts_repeated_and_refused_requests_of_earlier_runs(people, run):
    """Those of people who are done, of answers that wait, and of calls that failed for nothing."""
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
    """Takes little of what is set aside."""

    def _answer(self, request):
        return Reply(super()._answer(request), Usage(1, 10, 10), "text", "stop", "scripted", 0.0)


def test_a_budget_is_not_spent_by_what_is_only_set_aside(people, run):
    """So many calls at once want more than all of them take; they wait for one another."""
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


def test_people_come_in_blocks(people, run, lines, monkeypatch):
    """However many there are, so many are in memory, each block in its own best order."""
    monkeypatch.setattr("unillmrec.batch.runner.BLOCK", 4)

    report = run(people(histories(10)), as_they_come=True)

    assert report.finished
    assert sorted(f"person-{n}" for n in range(10)) == sorted(each["id"] for each in lines())


@pytest.mark.parametrize("of", ["", ".batch", ".problems.jsonl"])
def test_nothing_is_written_over_what_is_read(people, run, words, tmp_path, of):
    """Neither the people nor the tree, under whatever name, and not with --restart either."""
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
    """The second one is told to wait."""
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


def test_no_run_is_begun_anew_while_it_is_on_its_way(people, run, words, tmp_path):
    """What it has paid for stays its own."""
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
    """With one sentence, wherever it fills up; with more room the same batch goes on."""
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
            judge_over=scripted.judge_over(tree),
        ) as batch,
    ):
        db = batch.journal._db
        (size,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {size + pages}")
        try:
            told = batch.run().stopped
        except BatchError as error:
            told = error

    assert isinstance(told, BatchError)
    assert "out.jsonl.batch cannot be written: database or disk is full." in told.problem
    assert run(path, Scripted()).finished
    assert 9 == len(lines())


def test_an_answer_without_text_is_paid_once(people, run):
    """It is kept as any other, and met again by the run that goes on."""
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


def test_failed_calls_that_were_paid_are_on_the_bill(people, run):
    """Over all runs, though the person is asked about again."""
    path = people(histories(3))
    failed = call_error(FailureKind.TIMEOUT)
    failed.usage = Usage(1, 1_000, 10)
    first, second = Scripted(before=fails(4, failed)), Scripted()

    run(path, first, at_once=1)
    report = run(path, second, at_once=1)

    assert report.finished
    assert first.asked + second.asked == report.total_usage().calls
