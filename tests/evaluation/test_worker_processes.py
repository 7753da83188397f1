"""Systems that answer in processes of their own."""

import shutil
from dataclasses import replace

import pytest

from tests import trees
from unillmrec.errors import EvaluationError, StoreError
from unillmrec.evaluation import worker_processes as in_processes
from unillmrec.evaluation.data.cases import ItemIndex
from unillmrec.evaluation.system_runs import run_sequentially
from unillmrec.evaluation.systems.registry import REFERENCE, WIDTH_LIMITED, SystemSpec
from unillmrec.evaluation.worker_processes import RunInProcesses
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
    return [SystemSpec(kind, tree.path, settings, seed=7) for kind in kinds]


def examined(entries, tree, data, workers, progress=silent):
    systems = [each.build(tree) for each in entries]
    return list(RunInProcesses(entries, workers)(systems, data, 5, progress))


def test_many_processes_answer_what_one_does(held_out, tree, started, monkeypatch):
    """The same lists and the same bills, whoever answers whom; how far they are is told."""
    monkeypatch.setattr(in_processes, "CHUNK", 5)
    few = replace(held_out.data, cases=held_out.data.cases[:10])
    entries = entries_over(tree, "random", "popular", "vectors", "paper", WIDTH_LIMITED, REFERENCE)
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


def test_a_small_exam_is_not_worth_a_process(held_out, tree, started, monkeypatch):
    """Reading the imports takes longer."""
    monkeypatch.setattr(in_processes, "WORTH_A_PROCESS", 36 * trees.ITEMS + 1)

    assert 36 == len(examined(entries_over(tree, "random"), tree, held_out.data, 2)[0].answers)
    assert not started


def test_an_error_comes_through_as_the_one_it_is(held_out, tree, started):
    """Here the file of the tree went away; nothing is left running."""
    entries = entries_over(tree, "random", REFERENCE)
    systems = [each.build(tree) for each in entries]
    gone = [replace(each, tree=tree.path.with_name("gone.tree")) for each in entries]

    with pytest.raises(StoreError, match=r"gone\.tree") as alone:
        ItemTree.open(gone[0].tree)
    with pytest.raises(StoreError, match=r"gone\.tree") as found:
        list(RunInProcesses(gone, 2)(systems, held_out.data, 5, silent))

    assert alone.value.problem == found.value.problem
    assert alone.value.remedy == found.value.remedy
    assert all(process.returncode is not None for process in started)


def test_a_tree_with_other_items_is_refused(held_out, tree):
    """Places would mean something else there."""
    turned = ItemIndex(held_out.data.index.items[::-1])

    with pytest.raises(EvaluationError, match="does not contain the items"):
        examined(entries_over(tree, "random"), tree, replace(held_out.data, index=turned), 2)


def test_another_tree_in_its_place_is_refused(held_out, tree, monkeypatch):
    """It holds the same items, and would answer otherwise."""
    write = in_processes._write_job

    def written(*given):
        write(*given)
        beside = tree.path.with_name("beside.tree")
        shutil.copy(tree.path, beside)
        beside.replace(tree.path)

    monkeypatch.setattr(in_processes, "_write_job", written)

    with pytest.raises(EvaluationError, match="is no longer the tree"):
        examined(entries_over(tree, REFERENCE), tree, held_out.data, 2)


def test_an_item_that_is_gone_meanwhile_is_said(held_out, tree):
    """In one process as in many."""
    more = (
        *held_out.data.index.items,
        replace(held_out.data.index.items[0], id="gone"),
    )
    data = replace(held_out.data, index=ItemIndex(more))

    with pytest.raises(EvaluationError, match="contains fewer items than when"):
        examined(entries_over(tree, "vectors"), tree, data, 1)


def test_a_full_disk_is_said(held_out, tree, monkeypatch):
    """What processes are told stands in a folder."""

    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(in_processes.np, "save", full)

    with pytest.raises(EvaluationError, match="cannot be written") as found:
        examined(entries_over(tree, "random"), tree, held_out.data, 2)

    assert "No space left" in found.value.detail
    assert "--workers 1" in found.value.remedy


@pytest.mark.usefixtures("killed")
def test_a_killed_process_is_said(held_out, tree):
    """Somebody short of memory kills without a word."""
    with pytest.raises(EvaluationError, match="ended with code -9") as found:
        examined(entries_over(tree, "random"), tree, held_out.data, 2)

    assert "--workers 1" in found.value.remedy


def test_whoever_interrupts_leaves_nothing_running(held_out, tree, started):
    """In the middle of it."""

    def interrupting(system, done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examined(entries_over(tree, "random", REFERENCE), tree, held_out.data, 2, interrupting)

    assert 2 == len(started)
    assert all(process.returncode is not None for process in started)


def test_a_key_does_not_travel(tree):
    """Nobody is asked there; what is written down holds no secret."""
    settings = Settings.resolve({"model": "m"}, {"OPENAI_API_KEY": "sk-secret"})
    told = SystemSpec(REFERENCE, tree.path, settings).to_plain()

    assert "sk-secret" not in repr(told)
    assert SystemSpec.from_plain(told).settings.api_key is None


def test_one_by_one_every_system_learns_before_it_answers(held_out, tree):
    """Sheets come in the order of the systems."""
    systems = [each.build(tree) for each in entries_over(tree, "random", "popular")]
    sheets = list(run_sequentially(systems, held_out.data, 3, silent))

    assert [36, 36] == [len(each.answers) for each in sheets]
    assert all(len(answer.items) == 3 for each in sheets for answer in each.answers)
