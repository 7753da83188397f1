"""The scripts in examples/ run as they are."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
PRINTED = {
    "catalog_to_recommendation": "1 Arrival | ",
    "own_endpoint": "rank: 2 calls, ",
    "token_efficiency": "whole catalog: 21,",
}


def test_every_example_has_an_expectation():
    """A new one says what it prints."""
    assert sorted(PRINTED) == [path.stem for path in EXAMPLES]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(path, capsys):
    """Without a network, a key, or an argument."""
    runpy.run_path(str(path), run_name="__main__")

    assert PRINTED[path.stem] in capsys.readouterr().out
