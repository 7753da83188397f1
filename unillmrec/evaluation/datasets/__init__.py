"""Registry of public data sets, read from a folder as their publishers distribute them.

Nothing is downloaded. Each format names the source of the data set and its terms of use. To
add a data set, write a loader that returns a `LoadedDataset` and add it to `DATASETS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unillmrec.errors import EvaluationError
from unillmrec.evaluation.datasets import amazon, goodreads, mind, movielens, plain
from unillmrec.evaluation.datasets.files import LoadedDataset


@dataclass(frozen=True, slots=True)
class DatasetFormat:
    """One data set: its files, where to get it, its terms of use, and its loader.

    *least_rating* is the customary minimum rating of a liked item, if there is one.
    """

    name: str
    title: str
    files: str
    source: str
    terms: str
    load: Callable[[Path], LoadedDataset]
    least_rating: float | None = None


_GROUPLENS = "research use; no redistribution and no commercial use without permission"
_MCAULEY = "research use, as the McAuley lab asks; no licence is stated"

DATASETS = (
    DatasetFormat(
        "movielens-100k",
        "MovieLens 100K",
        "u.item, u.genre, u.data",
        "https://grouplens.org/datasets/movielens/100k/",
        _GROUPLENS,
        movielens.load_100k,
        4.0,
    ),
    DatasetFormat(
        "movielens-1m",
        "MovieLens 1M",
        "movies.dat, ratings.dat",
        "https://grouplens.org/datasets/movielens/1m/",
        _GROUPLENS,
        movielens.load_1m,
        4.0,
    ),
    DatasetFormat(
        "movielens-latest",
        "MovieLens latest, 20M, 25M and 32M",
        "movies.csv, ratings.csv; tags.csv is not read: tags reveal who has seen what",
        "https://grouplens.org/datasets/movielens/",
        "research use; redistribution under the same terms, no commercial use",
        movielens.load_latest,
        4.0,
    ),
    DatasetFormat(
        "mind",
        "MIND (Microsoft News)",
        "news.tsv, behaviors.tsv, of the train or the dev split",
        "https://msnews.github.io/",
        "Microsoft Research Licence: non-commercial, no redistribution",
        mind.load,
    ),
    DatasetFormat(
        "amazon-2014",
        "Amazon reviews 2014",
        "meta_*.json[.gz], and one file of reviews, *.json[.gz]",
        "https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html",
        _MCAULEY,
        amazon.load_2014,
    ),
    DatasetFormat(
        "amazon-2018",
        "Amazon reviews 2018",
        "meta_*.json[.gz], and one file of reviews, *.json[.gz]",
        "https://nijianmo.github.io/amazon/",
        _MCAULEY,
        amazon.load_2018,
    ),
    DatasetFormat(
        "amazon-2023",
        "Amazon reviews 2023",
        "meta_*.jsonl[.gz], and one file of reviews, *.jsonl[.gz]",
        "https://amazon-reviews-2023.github.io/",
        _MCAULEY,
        amazon.load_2023,
    ),
    DatasetFormat(
        "goodreads",
        "Goodreads (UCSD Book Graph)",
        "goodreads_books*.json[.gz], goodreads_interactions*.json[.gz], and "
        "goodreads_book_authors.json[.gz], without which authors have no names",
        "https://cseweb.ucsd.edu/~jmcauley/datasets/goodreads.html",
        "academic use, no redistribution, no commercial use",
        goodreads.load,
    ),
    DatasetFormat(
        "plain",
        "A folder of your own",
        "items.* and interactions.*, each CSV, TSV, JSON Lines or Parquet, gzipped or not",
        "your own",
        "your own",
        plain.load,
    ),
)
NAMES = tuple(each.name for each in DATASETS)


def parse_dataset(argument: str) -> tuple[DatasetFormat, Path]:
    """Parse `NAME:FOLDER`.

    Raises:
        EvaluationError: there is no such data set, or no such folder.
    """
    name, colon, folder = argument.partition(":")
    dataset = next((each for each in DATASETS if each.name == name), None)
    if dataset is None or not colon or not folder:
        raise EvaluationError(
            f"{argument!r} is not a data set.",
            remedy=f"NAME:FOLDER, NAME one of {', '.join(NAMES)}.",
        )
    path = Path(folder)
    if not path.is_dir():
        raise EvaluationError(
            f"{folder} is not a folder.",
            detail=f"{dataset.title}: {dataset.files}. Terms: {dataset.terms}.",
            remedy=f"download the set from {dataset.source} and unpack it; "
            "this command downloads nothing.",
        )
    return dataset, path


__all__ = ["DATASETS", "NAMES", "DatasetFormat", "LoadedDataset", "parse_dataset"]
