"""Reading the header of a model file."""

import struct

import pytest

from unillmrec.errors import SettingsError
from unillmrec.local.gguf import read_gguf


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def field(key, kind, packed):
    return text(key) + struct.pack("<I", kind) + packed


def number(key, value):
    return field(key, 4, struct.pack("<I", value))


def gguf(*fields, version=3):
    """Return the bytes of a model file without weights."""
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(fields)) + b"".join(fields)


VOCABULARY = field(
    "tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 3) + text("a") + text("b") + text("cc")
)
SCORES = field("tokenizer.ggml.scores", 9, struct.pack("<IQ", 6, 2) + struct.pack("<ff", 1, 2))
NESTED = field("nested", 9, struct.pack("<IQIQI", 9, 1, 4, 1, 7))
SMALL = (
    field("general.architecture", 8, text("llama")),
    VOCABULARY,
    SCORES,
    NESTED,
    number("llama.block_count", 30),
    number("llama.context_length", 8192),
    number("llama.embedding_length", 576),
    number("llama.attention.head_count", 9),
    number("llama.attention.head_count_kv", 3),
)


@pytest.fixture
def write(tmp_path):
    def written(content, name="small.gguf"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return written


def test_what_is_needed_is_found_behind_the_vocabulary(write):
    """Arrays are skipped, and the values behind them are read."""
    file = read_gguf(write(gguf(*SMALL)))

    assert ("small", 8192) == (file.name, file.context_length)
    assert 2 * 30 * 3 * (64 + 64) == file.bytes_a_token
    assert "tokenizer.ggml.tokens" not in file.values


def test_a_file_that_says_nothing_has_no_context_length(write):
    """What the file leaves out is zero, not an error."""
    file = read_gguf(write(gguf()))

    assert (0, 0) == (file.context_length, file.bytes_a_token)


@pytest.mark.parametrize("content", [b"", b"GGU", b"PK\x03\x04 a zip file", b"[model]\n"])
def test_another_kind_of_file_is_refused_in_one_sentence(write, content):
    """The error names the file and what is expected."""
    path = write(content)

    with pytest.raises(SettingsError) as caught:
        read_gguf(path)

    assert f"{path} is not a GGUF file." == caught.value.problem


@pytest.mark.parametrize(
    "content",
    [
        gguf(*SMALL)[:60],
        gguf(*SMALL, version=77),
        gguf(field("a", 99, b"")),
        gguf(struct.pack("<Q", 2**60)),
        gguf(field("a", 8, struct.pack("<Q", 2**60))),
        gguf(field("a", 8, struct.pack("<Q", 2) + b"\xff\xfe")),
        gguf(field("a", 9, struct.pack("<IQ", 99, 1))),
    ],
)
def test_a_damaged_header_is_refused(write, content):
    """Wrong lengths, types and encodings end in the same sentence, without reading far."""
    with pytest.raises(SettingsError, match=r"header of the model file .* is damaged"):
        read_gguf(write(content))


def test_every_shorter_beginning_of_a_file_is_refused(write):
    """A download that was cut anywhere in the header is never taken for a model."""
    whole = gguf(*SMALL)

    for length in range(4, len(whole)):
        with pytest.raises(SettingsError):
            read_gguf(write(whole[:length]))


def test_a_missing_file_is_named(tmp_path):
    """The error says which file, and why."""
    with pytest.raises(SettingsError, match=r"none\.gguf cannot be read: No such file"):
        read_gguf(tmp_path / "none.gguf")
