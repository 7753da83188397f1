"""The SQLite files of this package are created, upgraded and distinguished in one place."""

import sqlite3
from contextlib import closing

import pytest

from unillmrec.system.sqlite import (
    FileKind,
    ForeignFileError,
    NewerLayoutError,
    open_to_read,
    open_to_write,
    read_pragma,
    script,
)

FIRST = FileKind(0x554C4D58, (script("CREATE TABLE note (text TEXT)"),))
SECOND = FileKind(
    FIRST.application_id, (*FIRST.migrations, script("ALTER TABLE note ADD COLUMN at TEXT"))
)
OTHER = FileKind(0x554C4D59, FIRST.migrations)


@pytest.fixture
def path(tmp_path):
    """A file of the first layout with one row."""
    path = tmp_path / "notes"
    with closing(open_to_write(path, FIRST, timeout=0)) as db:
        db.execute("INSERT INTO note VALUES ('kept')")
    return path


def test_a_new_file_has_all_layouts(tmp_path):
    """A file that did not exist has the newest tables and is marked."""
    with closing(open_to_write(tmp_path / "new", SECOND, timeout=0)) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(note)")]
        layout = read_pragma(db, "user_version")

    assert ["text", "at"] == columns
    assert 2 == layout
    assert SECOND.marks(tmp_path / "new")
    assert not OTHER.marks(tmp_path / "new")


def test_an_old_file_is_upgraded(path):
    """Opening a file to write runs the migrations that it lacks, and its rows stay."""
    with closing(open_to_write(path, SECOND, timeout=0)) as db:
        rows = db.execute("SELECT * FROM note").fetchall()

    assert [("kept", None)] == rows


def test_a_migration_that_fails_leaves_the_old_layout(path):
    """All migrations of a file happen, or none."""
    broken = FileKind(SECOND.application_id, (*SECOND.migrations, script("NO SUCH STATEMENT")))

    with pytest.raises(sqlite3.OperationalError):
        open_to_write(path, broken, timeout=0)

    with closing(open_to_read(path, FIRST, timeout=0)) as db:
        assert 1 == read_pragma(db, "user_version")


@pytest.mark.parametrize("open_file", [open_to_read, open_to_write])
def test_another_kind_of_file_is_refused(path, open_file):
    """A file of another kind is neither read nor changed."""
    before = path.read_bytes()

    with pytest.raises(ForeignFileError):
        open_file(path, OTHER, timeout=0)

    assert before == path.read_bytes()


@pytest.mark.parametrize("open_file", [open_to_read, open_to_write])
def test_a_foreign_database_is_refused(tmp_path, open_file):
    """Tables without a mark belong to somebody else."""
    with closing(sqlite3.connect(tmp_path / "foreign")) as db:
        db.execute("CREATE TABLE theirs (x)")
    before = (tmp_path / "foreign").read_bytes()

    with pytest.raises(ForeignFileError):
        open_file(tmp_path / "foreign", FIRST, timeout=0)

    assert before == (tmp_path / "foreign").read_bytes()


@pytest.mark.parametrize("open_file", [open_to_read, open_to_write])
def test_a_newer_layout_is_refused(path, open_file):
    """A file from a later version is left alone."""
    open_to_write(path, SECOND, timeout=0).close()

    with pytest.raises(NewerLayoutError) as caught:
        open_file(path, FIRST, timeout=0)

    assert 2 == caught.value.layout


def test_reading_creates_nothing(tmp_path):
    """A missing file is an error for a reader, and stays missing."""
    with pytest.raises(sqlite3.OperationalError):
        open_to_read(tmp_path / "missing", FIRST, timeout=0)

    assert [] == list(tmp_path.iterdir())


def test_an_exclusive_connection_keeps_readers_out(path):
    """Nobody reads or writes beside an exclusive connection."""
    with closing(open_to_write(path, FIRST, timeout=0, exclusive=True)):
        for open_file in (open_to_read, open_to_write):
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                open_file(path, FIRST, timeout=0)

    open_to_read(path, FIRST, timeout=0).close()


def test_opening_a_current_file_does_not_wait_for_a_writer(path):
    """Two connections may be open to write at once; only their transactions take turns."""
    with closing(open_to_write(path, FIRST, timeout=0)) as first:
        first.execute("BEGIN IMMEDIATE")
        second = open_to_write(path, FIRST, timeout=0)
        with closing(second), pytest.raises(sqlite3.OperationalError, match="locked"):
            second.execute("BEGIN IMMEDIATE")
