import shutil

import pytest

from tests.building.shards.small_builds import build_small


@pytest.fixture(scope="module")
def built_once(tmp_path_factory):
    """A folder with a tree and its finished work folder."""
    folder = tmp_path_factory.mktemp("built-once")
    build_small(folder / "one.tree", work=folder / "w")
    return folder


@pytest.fixture
def finished(built_once, tmp_path):
    """Copies of both, `one.tree` and `w`, in the working directory."""
    shutil.copytree(built_once, tmp_path, dirs_exist_ok=True)
