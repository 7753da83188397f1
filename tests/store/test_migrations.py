import sqlite3

import pytest

from unillmrec.store import migrations
from unillmrec.store.migrations import LAYOUT, MIGRATIONS, layout_name, migrate


@pytest.fixture
def db():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def version(db):
    return db.execute("PRAGMA user_version").fetchone()[0]


def test_an_empty_file_gets_every_layout(db):
    """Each migration runs once, in order, and is recorded."""
    assert [each.__name__ for each in MIGRATIONS] == migrate(db)
    assert LAYOUT == version(db)
    assert [] == migrate(db)


def test_names_contain_the_number():
    """The name of a migration begins with the layout that it creates."""
    for number, migration in enumerate(MIGRATIONS, start=1):
        assert migration.__name__.startswith(f"{layout_name(number)}_")


def test_a_failing_migration_changes_nothing(db, monkeypatch):
    """Its changes and the record that it ran are committed together, or not at all."""
    migrate(db)

    def m999_breaks(db):
        db.execute("CREATE TABLE half_done (x)")
        raise sqlite3.OperationalError("no")

    monkeypatch.setattr(migrations, "MIGRATIONS", (*MIGRATIONS, m999_breaks))
    with pytest.raises(sqlite3.OperationalError, match="no"):
        migrate(db)

    assert LAYOUT == version(db)
    assert [] == db.execute("SELECT 1 FROM sqlite_master WHERE name = 'half_done'").fetchall()
