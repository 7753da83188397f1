import pytest

from tests import trees
from unillmrec.building import BuildOptions, build
from unillmrec.judge import Interest, Profile
from unillmrec.stages import Options, start_run
from unillmrec.store import ItemTree


@pytest.fixture(scope="session")
def placed(tree):
    """Return all items of the tree."""
    return list(tree.items_by_number(range(len(tree))).values())


@pytest.fixture
def somebody(tree):
    """Return a profile with a vector."""
    return Profile(
        (Interest("a whale in a storm", 1.0),), tree.vector_of_text("a whale in a storm")
    )


@pytest.fixture
def run_with(tree):
    """Return a function that starts a run on the tree, with items excluded."""

    def start(judge, excluded=(), **options):
        run = start_run(tree, judge, Options(**options))
        run.exclude(excluded)
        return run

    return start


@pytest.fixture
def small(tmp_path):
    """Return a tree of forty items, which is a single leaf."""
    path = tmp_path / "few.tree"
    build(trees.items(40), path, BuildOptions(workers=1))
    return ItemTree.open(path)
