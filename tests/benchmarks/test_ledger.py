import pytest

from benchmarks import ledger
from unillmrec import read_catalog
from unillmrec.building import BuildOptions, build
from unillmrec.demo import books
from unillmrec.demo.walkthrough import BOUNDS


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """The tree of the bundled books."""
    path = tmp_path_factory.mktemp("ledger") / "books.tree"
    with books() as catalog:
        build(read_catalog(catalog), path, BuildOptions(bounds=BOUNDS, workers=1))
    return path


@pytest.mark.parametrize("seed", [0, 3, 8, 13])
def test_the_log_comes_to_what_the_server_counted(shelf, seed):
    """With random faults, several people at once and embeddings: to the token."""
    found = ledger.checked(shelf, seed)

    assert () == found.differences
    assert found.billed


def test_a_difference_would_be_seen(shelf, monkeypatch):
    """A log that drops the answers it cannot use does not come to the server's count."""
    monkeypatch.setattr(ledger.LoggedEndpoint, "_log_failure", lambda *_: None)

    assert any(ledger.checked(shelf, seed).differences for seed in (3, 13))
