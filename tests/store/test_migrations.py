import sqlite3
from dataclasses import replace

import pytest

from unillmrec.store.migrations import TREE_FILE, layout_name
from unillmrec.system.sqlite import prepare


@pytest.fixture
def db():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def version(db):
    return db.execute("PRAGMA user_version").fetchone()[0]


def test_an_empty_file_gets_every_layout(db):
    """Each migration runs once, in order, and is recorded."""
    ran = []

    def recorded(migration):
        return lambda db: (ran.append(migration.__name__), migration(db))

    kind = replace(TREE_FILE, migrations=tuple(map(recorded, TREE_FILE.migrations)))
    prepare(db, kind)

    assert [each.__name__ for each in TREE_FILE.migrations] == ran
    assert TREE_FILE.layout == version(db)
    ran.clear()
    prepare(db, kind)
    assert [] == ran


def test_names_contain_the_number():
    """The name of a migration begins with the layout that it creates."""
    for number, migration in enumerate(TREE_FILE.migrations, start=1):
        assert migration.__name__.startswith(f"{layout_name(number)}_")


def test_a_failing_migration_changes_nothing(db):
    """Its changes and the record that it ran are committed together, or not at all."""
    prepare(db, TREE_FILE)

    def m999_breaks(db):
        db.execute("CREATE TABLE half_done (x)")
        raise sqlite3.OperationalError("no")

    broken = replace(TREE_FILE, migrations=(*TREE_FILE.migrations, m999_breaks))
    with pytest.raises(sqlite3.OperationalError, match="no"):
        prepare(db, broken)

    assert TREE_FILE.layout == version(db)
    assert [] == db.execute("SELECT 1 FROM sqlite_master WHERE name = 'half_done'").fetchall()
