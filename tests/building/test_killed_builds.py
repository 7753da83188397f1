import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unillmrec.building import BuildOptions, build
from unillmrec.items import Item
from unillmrec.store import ItemTree

BUILD = """
import sys
from unillmrec.building import BuildOptions, build
from unillmrec.items import Item

items = [Item(str(n), f"The {n % 97} and the {n % 89} {n}", "words " * 20) for n in range(500)]
options = BuildOptions(workers=1, overwrite=True)
build(items, "warm.tree", options)
print("ready", flush=True)
while True:
    build(items, "shop.tree", options)
"""


def rounds():
    """Return pairs: whether there is a tree already, and the seconds until the kill."""
    chance = random.Random(5)
    pairs = [(number % 2 == 0, chance.uniform(0, 0.3)) for number in range(20)]
    return [*pairs[:2], *(pytest.param(*pair, marks=pytest.mark.slow) for pair in pairs[2:])]


@pytest.mark.parametrize(("before", "seconds"), rounds())
def test_a_killed_build_leaves_nothing_or_the_whole_tree(before, seconds):
    """Whenever it is killed, the file is the old one, the new one, or absent."""
    if before:
        build([Item("a", "Old")], "shop.tree", BuildOptions(workers=1))

    with subprocess.Popen([sys.executable, "-c", BUILD], stdout=subprocess.PIPE) as process:
        assert b"ready\n" == process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)

    if before or Path("shop.tree").exists():
        with ItemTree.open("shop.tree") as tree:
            assert [("ok",)] == tree.rows("PRAGMA integrity_check")
            assert [(len(tree),)] == tree.rows("SELECT count(*) FROM item WHERE leaf NOT NULL")
            assert len(tree) in ((1, 500) if before else (500,))
    build([Item("a", "Next")], "shop.tree", BuildOptions(workers=1, overwrite=True))
    with ItemTree.open("shop.tree") as tree:
        assert 1 == len(tree)
    assert [] == list(Path().glob(".*.building"))
