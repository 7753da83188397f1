import json

import numpy as np

from tests.building.shards.small_builds import SMALL


def test_the_sample_is_drawn_from_the_whole_catalog(finished, tmp_path):
    """Every item has the same chance."""
    lines = (tmp_path / "w" / "sample.jsonl").read_bytes().splitlines()
    numbers = [int(json.loads(line)[0].removeprefix("item-")) for line in lines]
    assert SMALL["sample"] == len(numbers)
    assert sorted(numbers) == numbers
    assert 110 < np.mean(numbers) < 190
