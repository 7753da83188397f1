"""The bundled o200k token ranks: packing, and unpacking with a check of their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.resources import files

FILE_NAME = "o200k_base.xz"

# Of the unpacked content, which is the same whatever compressor wrote the file. A test rebuilds
# the published .tiktoken text from this content and compares it with the hash tiktoken pins;
# at load this digest vouches for the same bytes in a millisecond instead of sixty.
CONTENT_SHA256 = "bac143fe7fe950090c6e4ed9a2f80de5412a92495758b52becbbe5a7eea25ecb"


def pack(tokens: Iterable[bytes]) -> bytes:
    """Compress *tokens*, given in rank order: a length byte and the token, one after the other."""
    import lzma

    content = b"".join(bytes([len(token)]) + token for token in tokens)
    return lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)


def unpack(packed: bytes) -> dict[bytes, int]:
    """Return the rank of every token.

    Raises:
        ValueError: The content is not the published o200k vocabulary.
    """
    import lzma

    content = lzma.decompress(packed)
    digest = hashlib.sha256(content).hexdigest()
    if digest != CONTENT_SHA256:
        raise ValueError(f"{FILE_NAME} has SHA-256 {digest}; expected {CONTENT_SHA256}")
    ranks: dict[bytes, int] = {}
    at = 0
    while at < len(content):
        end = at + 1 + content[at]
        ranks[content[at + 1 : end]] = len(ranks)
        at = end
    return ranks


def bundled() -> dict[bytes, int]:
    """Return the ranks that are part of the package."""
    return unpack((files("unillmrec.tokens") / FILE_NAME).read_bytes())
