"""The folders of this package follow the customs of each system."""

from pathlib import Path

import platformdirs
import pytest

from unillmrec.system.folders import state_folder


def test_the_state_folder_follows_the_variable(monkeypatch, tmp_path):
    """XDG_STATE_HOME names the folder that ours lies in."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    assert tmp_path / "unillmrec" == state_folder()


@pytest.mark.parametrize(
    ("system", "folder"),
    [
        ("unix.Unix", ".local/state/unillmrec"),
        ("macos.MacOS", "Library/Application Support/unillmrec"),
    ],
)
def test_each_system_has_its_own_place(system, folder, monkeypatch):
    """Without the variable, state lies where the system keeps it."""
    module, name = system.split(".")
    __import__(f"platformdirs.{module}")
    monkeypatch.setattr(platformdirs, "PlatformDirs", getattr(getattr(platformdirs, module), name))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)

    assert Path.home() / folder == state_folder()


def test_without_a_home_there_is_no_state_folder(monkeypatch):
    """A user without a home folder keeps nothing."""
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(platformdirs, "user_state_path", lambda *_, **__: Path("~/.local/state"))

    assert state_folder() is None
