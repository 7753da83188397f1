"""The folders for files of this package on Linux, macOS and Windows."""

from __future__ import annotations

import os
from pathlib import Path


def state_folder() -> Path | None:
    """Return the user's folder for state that is kept between runs.

    `XDG_STATE_HOME` has precedence on every system; the XDG rules ignore a relative path in it.
    None means that the user has no home folder.
    """
    home = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(home):
        return Path(home) / "unillmrec"
    import platformdirs

    # On Windows the author's name would be one more folder.
    folder = platformdirs.user_state_path("unillmrec", appauthor=False)
    return folder if folder.is_absolute() else None
