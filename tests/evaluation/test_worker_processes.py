"""Systems that run in worker processes."""

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
    """Report no progress."""


@pytest.fixture(autouse=True)
def _always_use_processes(monkeypatch):
    monkeypatch.setattr(in_processes, "MIN_SIZE_FOR_PROCESSES", 0)


@pytest.fixture
def tree(tmp_path):
    with trees.tree(tmp_path) as opened:
        yield opened


def specs_for(tree, *kinds):
    settings = Settings.resolve({"model": "gpt-4o"}, {})
    return [SystemSpec(kind, tree.path, settings, seed=7) for kind in kinds]


def run(specs, tree, data, workers, progress=silent):
    systems = [each.build(tree) for each in specs]
    return list(RunInProcesses(specs, workers)(systems, data, 5, progress))


def test_processes_return_the_same_lists(held_out, tree, started, monkeypatch):
    """The same lists and bills as one process; progress is reported."""
    monkeypatch.setattr(in_processes, "CHUNK", 5)
    few = replace(held_out.data, cases=held_out.data.cases[:10])
    specs = specs_for(tree, "random", "popular", "vectors", "paper", WIDTH_LIMITED, REFERENCE)
    specs.append(replace(specs[-1], options=Options(variety=0.0), name="no variety"))
    progress = []
    alone = run(specs, tree, few, 1)
    assert not started
    together = run(specs, tree, few, 2, lambda *done: progress.append(done))

    assert 2 == len(started)
    assert [each.answers for each in alone] == [each.answers for each in together]
    assert together[3].answers[0].recalled
    assert together[4].answers[0].usage.estimated_prompt > 1_000
    assert {("random", 10, 10), ("unillmrec", 10, 10), ("no variety", 0, 10)} <= set(progress)
    assert all(process.returncode is not None for process in started)


def test_a_small_evaluation_runs_in_this_process(held_out, tree, started, monkeypatch):
    """Starting processes would take longer."""
    monkeypatch.setattr(in_processes, "MIN_SIZE_FOR_PROCESSES", 36 * trees.ITEMS + 1)

    assert 36 == len(run(specs_for(tree, "random"), tree, held_out.data, 2)[0].answers)
    assert not started


def test_errors_of_workers_keep_their_type(held_out, tree, started):
    """Here the tree file was deleted; no process is left running."""
    specs = specs_for(tree, "random", REFERENCE)
    systems = [each.build(tree) for each in specs]
    gone = [replace(each, tree=tree.path.with_name("gone.tree")) for each in specs]

    with pytest.raises(StoreError, match=r"gone\.tree") as alone:
        ItemTree.open(gone[0].tree)
    with pytest.raises(StoreError, match=r"gone\.tree") as found:
        list(RunInProcesses(gone, 2)(systems, held_out.data, 5, silent))

    assert alone.value.problem == found.value.problem
    assert alone.value.remedy == found.value.remedy
    assert all(process.returncode is not None for process in started)


def test_a_tree_with_other_items_is_rejected(held_out, tree):
    """Positions would mean other items."""
    reversed_branches = ItemIndex(held_out.data.index.items[::-1])

    with pytest.raises(EvaluationError, match="does not contain the items"):
        run(specs_for(tree, "random"), tree, replace(held_out.data, index=reversed_branches), 2)


def test_a_replaced_tree_is_rejected(held_out, tree, monkeypatch):
    """It has the same items, and would give other lists."""
    write = in_processes._write_job

    def written(*given):
        write(*given)
        beside = tree.path.with_name("beside.tree")
        shutil.copy(tree.path, beside)
        beside.replace(tree.path)

    monkeypatch.setattr(in_processes, "_write_job", written)

    with pytest.raises(EvaluationError, match="is no longer the tree"):
        run(specs_for(tree, REFERENCE), tree, held_out.data, 2)


def test_a_deleted_item_is_an_error(held_out, tree):
    """In one process as in several."""
    more = (
        *held_out.data.index.items,
        replace(held_out.data.index.items[0], id="gone"),
    )
    data = replace(held_out.data, index=ItemIndex(more))

    with pytest.raises(EvaluationError, match="contains fewer items than when"):
        run(specs_for(tree, "vectors"), tree, data, 1)


def test_a_full_disk_is_an_error(held_out, tree, monkeypatch):
    """Workers read their job from a folder."""

    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(in_processes.np, "save", full)

    with pytest.raises(EvaluationError, match="cannot be written") as found:
        run(specs_for(tree, "random"), tree, held_out.data, 2)

    assert "No space left" in found.value.detail
    assert "--workers 1" in found.value.remedy


@pytest.mark.usefixtures("killed")
def test_a_killed_process_is_an_error(held_out, tree):
    """As when memory runs out."""
    with pytest.raises(EvaluationError, match="ended with code -9") as found:
        run(specs_for(tree, "random"), tree, held_out.data, 2)

    assert "--workers 1" in found.value.remedy


def test_an_interruption_leaves_no_process_running(held_out, tree, started):
    """In the middle of a run."""

    def interrupting(system, done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(specs_for(tree, "random", REFERENCE), tree, held_out.data, 2, interrupting)

    assert 2 == len(started)
    assert all(process.returncode is not None for process in started)


def test_specs_contain_no_api_key(tree):
    """Workers ask no model."""
    settings = Settings.resolve({"model": "m"}, {"OPENAI_API_KEY": "sk-secret"})
    plain = SystemSpec(REFERENCE, tree.path, settings).to_plain()

    assert "sk-secret" not in repr(plain)
    assert SystemSpec.from_plain(plain).settings.api_key is None


def test_sequential_runs_are_in_the_order_of_the_systems(held_out, tree):
    """Each system learns before it answers."""
    systems = [each.build(tree) for each in specs_for(tree, "random", "popular")]
    runs = list(run_sequentially(systems, held_out.data, 3, silent))

    assert [36, 36] == [len(each.answers) for each in runs]
    assert all(len(answer.items) == 3 for each in runs for answer in each.answers)
