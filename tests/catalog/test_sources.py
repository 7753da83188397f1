"""Files, pipes and gzip: errors before the first row."""

from __future__ import annotations

import gzip
import os
import random
import threading
from pathlib import Path

import pytest

from unillmrec.catalog import read_catalog
from unillmrec.catalog.sources import open_source
from unillmrec.errors import CatalogError

TABLE = b"id,title,n\n1,x,2\n"


def test_a_missing_file_names_the_nearest_one():
    """The error suggests the file that was probably meant."""
    Path("films.jsonl").write_text("{}")

    with pytest.raises(CatalogError) as caught:
        read_catalog("film.jsonl")

    assert (
        "film.jsonl: there is no such file.\n"
        "  Nothing was written.\n"
        "  Try: films.jsonl, if you meant that file."
    ) == str(caught.value)


def test_a_missing_file_without_a_similar_one():
    """Without a similar file, there is no suggestion."""
    with pytest.raises(CatalogError) as caught:
        read_catalog("nowhere/films.jsonl")

    assert "check the name." == caught.value.remedy


def test_a_folder_is_not_a_file():
    """The error says that it is a folder."""
    Path("films.jsonl").mkdir()

    with pytest.raises(CatalogError, match=r"films\.jsonl: this is a folder, not a file"):
        read_catalog("films.jsonl")


def test_a_file_that_may_not_be_opened(monkeypatch):
    """The error has the reason of the operating system."""
    Path("films.jsonl").write_text("{}")

    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)

    with pytest.raises(CatalogError, match=r"films\.jsonl: cannot be read: Permission denied"):
        read_catalog("films.jsonl")


def test_truncated_gzip(refusal):
    """An interrupted download is recognized, with the last complete line."""
    draw = random.Random(1)
    lines = [f'{{"id": {n}, "title": "{draw.random()}"}}\n' for n in range(60_000)]
    packed = gzip.compress("".join(lines).encode())

    message = refusal("films.jsonl.gz", packed[:-1000])

    assert message.startswith("films.jsonl.gz: the gzip data end too early after line ")
    assert "the file was cut off." in message


@pytest.mark.parametrize(
    "packed", [b"\x1f\x8b\x08nonsense", gzip.compress(TABLE, mtime=0)[:-8] + b"12345678"]
)
def test_damaged_gzip(refusal, packed):
    """Invalid data, and a wrong checksum."""
    assert refusal("a.csv.gz", packed).startswith("a.csv.gz: the gzip data are damaged")


def test_gzip_is_recognized_by_content(reader):
    """The content counts, not the name."""
    assert ["1"] == [item.id for item in reader("a.csv", gzip.compress(TABLE))]
    assert ["1"] == [item.id for item in reader("b.csv.gz", TABLE)]


def test_a_named_pipe_is_read_like_a_file():
    """The process substitution of a shell gives such a path."""
    os.mkfifo("pipe.csv")
    writer = threading.Thread(target=lambda: Path("pipe.csv").write_bytes(TABLE))
    writer.start()
    catalog = read_catalog("pipe.csv")

    items = list(catalog)
    writer.join()

    assert [{"n": 2}] == [item.attributes for item in items]
    assert len(TABLE) == catalog.size


def test_a_passed_stream_stays_open(tmp_path):
    """Standard input belongs to the caller."""
    path = tmp_path / "films.csv"
    path.write_bytes(TABLE)

    with path.open("rb") as stdin:
        list(read_catalog("-", stdin=stdin))

        assert not stdin.closed


def test_a_file_name_cannot_break_the_message():
    """A name with a line break is quoted."""
    with pytest.raises(CatalogError) as caught:
        open_source("a\nb.csv")

    assert "'a\\nb.csv': there is no such file." == caught.value.problem


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", random.Random(1).randbytes(9_000)),
        ("a.jsonl.gz", "id\ncafé\n".encode("latin-1")),
    ],
)
def test_a_gz_file_that_is_not_gzip(refusal, name, content):
    """The name ends in .gz, and the bytes are neither gzip nor text."""
    message = refusal(name, content)

    assert message.startswith(f"{name}: this is not gzip, though its name ends in .gz.")
    assert "Latin-1" not in message


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.tsv", "a"])
@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_are_not_text(refusal, name, seed):
    """Commas and high bytes in them have no meaning."""
    message = refusal(name, random.Random(seed).randbytes(5_000))

    assert message.startswith(f"{name}: this is neither text nor a format that unillmrec reads.")
