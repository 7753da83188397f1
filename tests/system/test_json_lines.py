import json

import pytest

from unillmrec.errors import SettingsError
from unillmrec.system.json_lines import JsonLinesWriter, replace_lines


def test_each_line_is_on_disk_at_once(tmp_path):
    """What was written before a kill is there after it."""
    lines = JsonLinesWriter(tmp_path / "a.jsonl", "trace", "--trace")

    lines.write({"n": 1}, {"n": 2, "title": "\ud800 half"})

    written = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert [1, 2] == [json.loads(line)["n"] for line in written]
    lines.close()


def test_a_file_without_lines_is_removed(tmp_path):
    """An empty file would block the next attempt; a file that is gone already is no error."""
    JsonLinesWriter(tmp_path / "a.jsonl", "trace", "--trace").close()
    assert [] == list(tmp_path.iterdir())

    gone = JsonLinesWriter(tmp_path / "a.jsonl", "trace", "--trace")
    (tmp_path / "a.jsonl").unlink()
    gone.close()


def test_an_old_file_is_not_added_to(tmp_path):
    """The error names the file and the flag."""
    (tmp_path / "a.jsonl").write_text("old\n")

    with pytest.raises(SettingsError, match=r"a\.jsonl exists already") as caught:
        JsonLinesWriter(tmp_path / "a.jsonl", "recording", "--record")

    assert "another --record, or remove the file." == caught.value.remedy
    assert "old\n" == (tmp_path / "a.jsonl").read_text()


def test_an_error_leaves_the_old_lines(tmp_path):
    """A file is replaced as a whole, or not at all."""
    path = tmp_path / "a.jsonl"
    replace_lines(path, ["old", "lines"])

    with pytest.raises(KeyError):
        replace_lines(path, ({}[line] for line in ["new"]))

    assert "old\nlines\n" == path.read_text()
