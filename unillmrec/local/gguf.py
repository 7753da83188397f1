"""What a GGUF file says about itself: name, architecture, context length, size in memory."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from unillmrec.errors import SettingsError

Value: TypeAlias = str | int | float | bool

_MAGIC = b"GGUF"
_STRING, _ARRAY = 8, 9
# The types of values by their number in the file; what is missing is a string or an array.
_SCALARS: dict[int, str] = {
    **{0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?"},
    **{10: "Q", 11: "q", 12: "d"},
}
_LONGEST_KEY = 65_535
_LONGEST_STRING = 16_000_000


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A model file and the values in its header; arrays, such as the vocabulary, are left out."""

    path: Path
    size: int
    values: dict[str, Value]

    @property
    def name(self) -> str:
        """The name that the model is asked under: that of the file, without the ending."""
        return self.path.stem

    @property
    def context_length(self) -> int:
        """The longest text that the model was trained for; 0 if the file does not say."""
        return self._number("context_length")

    @property
    def bytes_a_token(self) -> int:
        """Memory for the keys and values of one token of context; 0 if the file does not say."""
        heads = self._number("attention.head_count")
        width = self._number("embedding_length") // heads if heads else 0
        keys = self._number("attention.key_length") or width
        values = self._number("attention.value_length") or width
        shared = self._number("attention.head_count_kv") or heads
        return 2 * self._number("block_count") * shared * (keys + values)

    def _number(self, name: str) -> int:
        value = self.values.get(f"{self.values.get('general.architecture')}.{name}", 0)
        return value if isinstance(value, int) and value > 0 else 0


def read_gguf(path: Path) -> GgufFile:
    """Read the header of a model file.

    Raises:
        SettingsError: the file is missing, no GGUF file, or damaged.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if file.read(4) != _MAGIC:
                raise SettingsError(
                    f"{path} is not a GGUF file.",
                    remedy="a model file that ends in .gguf.",
                )
            return GgufFile(path, size, _read_values(file))
    except OSError as error:
        raise SettingsError(f"the model file {path} cannot be read: {error.strerror}.") from error
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"the header of the model file {path} is damaged.", remedy="download the file again."
        ) from error


def _read_values(file: BinaryIO) -> dict[str, Value]:
    version, _tensors, count = _unpack(file, "IQQ")
    if not 2 <= version <= 3:
        raise ValueError("an unknown version")
    values: dict[str, Value] = {}
    for _ in range(count):
        key = _read_string(file, _LONGEST_KEY)
        (kind,) = _unpack(file, "I")
        value = _read_value(file, kind)
        if value is not None:
            values[key] = value
    return values


def _read_value(file: BinaryIO, kind: int) -> Value | None:
    """Return a value; None in place of an array, which is skipped."""
    if kind == _STRING:
        return _read_string(file, _LONGEST_STRING)
    if kind == _ARRAY:
        kind, count = _unpack(file, "IQ")
        _skip(file, kind, count)
        return None
    value: Value = _unpack(file, _scalar(kind))[0]
    return value


def _skip(file: BinaryIO, kind: int, count: int) -> None:
    if kind in _SCALARS:
        file.seek(struct.calcsize(_SCALARS[kind]) * count, os.SEEK_CUR)
        return
    for _ in range(count):
        if kind == _STRING:
            # Not read: vocabularies have hundreds of thousands.
            file.seek(_unpack(file, "Q")[0], os.SEEK_CUR)
        else:
            _read_value(file, kind)


def _scalar(kind: int) -> str:
    if kind not in _SCALARS:
        raise ValueError("an unknown type of value")
    return _SCALARS[kind]


def _read_string(file: BinaryIO, longest: int) -> str:
    (length,) = _unpack(file, "Q")
    if length > longest:
        raise ValueError("a string that is too long")
    text = file.read(length)
    if len(text) < length:
        raise ValueError("the file ends in a string")
    return text.decode("utf-8")


def _unpack(file: BinaryIO, form: str) -> tuple[int, ...]:
    form = "<" + form
    return struct.unpack(form, file.read(struct.calcsize(form)))
