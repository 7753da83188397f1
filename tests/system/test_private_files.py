"""Files that tell about people are for their owner alone."""

import os
import stat

from unillmrec.system.json_lines import JsonLinesWriter
from unillmrec.system.sqlite import FileKind, open_to_write, script


def test_new_files_are_private(tmp_path):
    """Also the log that SQLite keeps beside a file; whatever the umask allows."""
    before = os.umask(0)
    try:
        writer = JsonLinesWriter(tmp_path / "a.trace", "trace", "--trace")
        kind = FileKind(1, (script("CREATE TABLE one (x)"),))
        db = open_to_write(tmp_path / "a.usage", kind, timeout=1)
        db.execute("INSERT INTO one VALUES (1)")
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    finally:
        os.umask(before)

    assert {"a.trace", "a.usage", "a.usage-wal"} <= modes.keys()
    assert set(modes.values()) == {0o600}
    writer.close()
    db.close()
