"""All results redone with one command."""

from benchmarks import redoing, report


def test_one_that_fails_leaves_the_others_their_turn(tmp_path, monkeypatch, capfd):
    """The tables are written for what there is, and those that failed are named."""
    written = []
    monkeypatch.setattr(report, "write", lambda check: written.append(check) or 0)

    code = redoing.redo(tmp_path, ["fields", "history"])

    out, err = capfd.readouterr()
    assert (1, [False]) == (code, written)
    assert 2 == err.count("The data set 'ml-1m' is missing")
    assert "fields: failed with exit code 1" in out
    assert "history: failed with exit code 1" in out
    assert "0 of 2 redone." in out


def test_what_is_shown_is_redone_in_the_order_of_the_list():
    """A benchmark without a result has nothing to be redone."""
    assert ["tokens", "evaluation"] == redoing.shown(["tokens", "no such", "evaluation"])
