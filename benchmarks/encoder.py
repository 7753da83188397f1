"""What changes with the vectors of a small sentence encoder, compared with weighted words?"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import datasets
from benchmarks.evaluation import BAR, SETS
from benchmarks.intervals import format_estimate
from benchmarks.people import PEOPLE, SEED, interactions_of, last_out, shelf_of
from benchmarks.results import save
from unillmrec import BuildOptions, ItemTree, Options, Recommender, SimilarityJudge, build
from unillmrec.building.given_vectors import VectorFile
from unillmrec.evaluation.data.cases import ItemIndex, Split
from unillmrec.evaluation.runner import evaluate
from unillmrec.evaluation.systems.content import FlatVectors, item_text
from unillmrec.evaluation.systems.unillmrec_system import UnillmrecSystem

QUESTION = __doc__.partition("\n")[0]
MODEL = "all-MiniLM-L6-v2"


def run(data: Path) -> None:
    """Evaluate the walk, and its vectors without a tree, over both kinds of vectors."""
    encoder = _encoder(data / "models" / MODEL)
    rows: list[dict[str, Any]] = []
    for name in SETS:
        index = shelf_of(data, name)
        held_out = last_out(interactions_of(data, name), index, name, PEOPLE)
        with tempfile.TemporaryDirectory() as folder:
            given = Path(folder) / "encoded.npy"
            np.save(given, _encoded(encoder, index))
            for vectors, file in (("words", None), (MODEL, VectorFile(given))):
                path = Path(folder) / f"{vectors}.tree"
                build(index.items, path, BuildOptions(workers=1, given=file))
                for row in _examined(path, held_out):
                    rows.append({"set": name, "bar": BAR[name], "vectors": vectors, **row})
                    print(rows[-1], flush=True)
    judge = "embedded similarity judge, no model"
    save("encoder", QUESTION, rows, seed=SEED, people=PEOPLE, judge=judge)


def _examined(path: Path, held_out: Split) -> list[dict[str, Any]]:
    with ItemTree.open(path) as tree:
        chain = UnillmrecSystem(Recommender(tree, SimilarityJudge(tree)), Options())
        made = evaluate(held_out, [FlatVectors(tree), chain], seed=SEED)
        return [
            {
                "system": each.name,
                "people": len(held_out.data.cases),
                "recall@10": format_estimate(each.estimates["recall@10"]),
                "ndcg@10": format_estimate(each.estimates["ndcg@10"]),
            }
            for each in made.results
        ]


def _encoder(folder: Path) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise SystemExit("This needs an encoder: pip install sentence-transformers.") from error
    if not folder.is_dir():
        raise SystemExit(f"The files of {MODEL} are missing: put them into {folder}.")
    datasets.FOUND[f"models/{MODEL}"] = folder / "model.safetensors"
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def _encoded(encoder: Any, index: ItemIndex) -> Any:
    texts = [item_text(item) for item in index.items]
    return encoder.encode(texts, normalize_embeddings=True, show_progress_bar=False)
