"""Systems that answer in processes of their own."""

import shutil
from dataclasses import replace

import pytest

from tests import trees
from unillmrec.errors import EvaluationError, StoreError
from unillmrec.evaluation import worker_processes as in_processes
from unillmrec.evaluation.data.exam import ItemIndex
from unillmrec.evaluation.system_runs import one_by_one
from unillmrec.evaluation.systems.registry import PACED, REFERENCE, Entry
from unillmrec.evaluation.worker_processes import InProcesses
from unillmrec.settings import Settings
from unillmrec.stages import Options
from unillmrec.store import ItemTree


def silent(system, done, total):
    """Take no note."""


@pytest.fixture(autouse=True)
def _worth_it(monkeypatch):
    monkeypatch.setattr(in_processes, "WORTH_A_PROCESS", 0)


@pytest.fixture
def tree(tmp_path):
    with trees.tree(tmp_path) as opened:
        yield opened


def entries_over(tree, *kinds):
    settings = Settings.resolve({"model": "gpt-4o"}, {})
    return [Entry(kind, tree.path, settings, seed=7) for kind in kinds]


def examined(entries, tree, exam, workers, progress=silent):
    systems = [each.made(tree) for each in entries]
    return list(InProcesses(entries, workers)(systems, exam, 5, progress))


def test_many_processes_answer_what_one_does(parted, tree, started, monkeypatch):
    """The same lists and the same bills, whoever answers whom; how far they are is told."""
    monkeypatch.setattr(in_processes, "AT_A_TIME", 5)
    few = replace(parted.exam, cases=parted.exam.cases[:10])
    entries = entries_over(tree, "random", "popular", "vectors", "paper", PACED, REFERENCE)
    entries.append(replace(entries[-1], options=Options(variety=0.0), name="no variety"))
    told = []
    alone = examined(entries, tree, few, 1)
    assert not started
    together = examined(entries, tree, few, 2, lambda *done: told.append(done))

    assert 2 == len(started)
    assert [each.answers for each in alone] == [each.answers for each in together]
    assert together[3].answers[0].recalled
    assert together[4].answers[0].usage.estimated_prompt > 1_000
    assert {("random", 10, 10), ("unillmrec", 10, 10), ("no variety", 0, 10)} <= set(told)
    assert all(process.returncode is not None for process in started)


def test_a_small_exam_is_not_worth_a_process(parted, tree, started, monkeypatch):
    """Reading the imports takes longer."""
    monkeypatch.setattr(in_processes, "WORTH_A_PROCESS", 36 * trees.ITEMS + 1)

    assert 36 == len(examined(entries_over(tree, "random"), tree, parted.exam, 2)[0].answers)
    assert not started


def test_an_error_comes_through_as_the_one_it_is(parted, tree, started):
    """Here the file of the tree went away; nothing is left running."""
    entries = entries_over(tree, "random", REFERENCE)
    systems = [each.made(tree) for each in entries]
    gone = [replace(each, tree=tree.path.with_name("gone.tree")) for each in entries]

    with pytest.raises(StoreError, match=r"gone\.tree") as alone:
        ItemTree.open(gone[0].tree)
    with pytest.raises(StoreError, match=r"gone\.tree") as found:
        list(InProcesses(gone, 2)(systems, parted.exam, 5, silent))

    assert alone.value.problem == found.value.problem
    assert alone.value.remedy == found.value.remedy
    assert all(process.returncode is not None for process in started)


def test_a_tree_with_other_items_is_refused(parted, tree):
    """Places would mean something else there."""
    turned = ItemIndex(parted.exam.shelf.items[::-1])

    with pytest.raises(EvaluationError, match="does not hold the items"):
        examined(entries_over(tree, "random"), tree, replace(parted.exam, shelf=turned), 2)


def test_another_tree_in_its_place_is_refused(parted, tree, monkeypatch):
    """It holds the same items, and would answer otherwise."""
    write = in_processes._write

    def written(*given):
        write(*given)
        beside = tree.path.with_name("beside.tree")
        shutil.copy(tree.path, beside)
        beside.replace(tree.path)

    monkeypatch.setattr(in_processes, "_write", written)

    with pytest.raises(EvaluationError, match="not the tree any more"):
        examined(entries_over(tree, REFERENCE), tree, parted.exam, 2)


def test_an_item_that_is_gone_meanwhile_is_said(parted, tree):
    """In one process as in many."""
    more = (*parted.exam.shelf.items, replace(parted.exam.shelf.items[0], id="gone"))
    exam = replace(parted.exam, shelf=ItemIndex(more))

    with pytest.raises(EvaluationError, match="holds less than when"):
        examined(entries_over(tree, "vectors"), tree, exam, 1)


def test_a_full_disk_is_said(parted, tree, monkeypatch):
    """What processes are told stands in a folder."""

    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(in_processes.np, "save", full)

    with pytest.raises(EvaluationError, match="cannot be written") as found:
        examined(entries_over(tree, "random"), tree, parted.exam, 2)

    assert "No space left" in found.value.detail
    assert "--workers 1" in found.value.remedy


@pytest.mark.usefixtures("killed")
def test_a_killed_process_is_said(parted, tree):
    """Somebody short of memory kills without a word."""
    with pytest.raises(EvaluationError, match="ended with code -9") as found:
        examined(entries_over(tree, "random"), tree, parted.exam, 2)

    assert "--workers 1" in found.value.remedy


def test_whoever_interrupts_leaves_nothing_running(parted, tree, started):
    """In the middle of it."""

    def interrupting(system, done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examined(entries_over(tree, "random", REFERENCE), tree, parted.exam, 2, interrupting)

    assert 2 == len(started)
    assert all(process.returncode is not None for process in started)


def test_a_key_does_not_travel(tree):
    """Nobody is asked there; what is written down holds no secret."""
    settings = Settings.resolve({"model": "m"}, {"OPENAI_API_KEY": "sk-secret"})
    told = Entry(REFERENCE, tree.path, settings).told()

    assert "sk-secret" not in repr(told)
    assert Entry.read(told).settings.api_key is None


def test_one_by_one_every_system_learns_before_it_answers(parted, tree):
    """Sheets come in the order of the systems."""
    systems = [each.made(tree) for each in entries_over(tree, "random", "popular")]
    sheets = list(one_by_one(systems, parted.exam, 3, silent))

    assert [36, 36] == [len(each.answers) for each in sheets]
    assert all(len(answer.items) == 3 for each in sheets for answer in each.answers)
