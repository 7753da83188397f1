"""Public data sets as their publishers hand them out, read from where somebody put them.

Nothing is downloaded. Each loader says where its set is to be had and under which terms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unillmrec.errors import EvaluationError
from unillmrec.evaluation.datasets import amazon, goodreads, mind, movielens, plain
from unillmrec.evaluation.datasets.files import LoadedSet


@dataclass(frozen=True, slots=True)
class Format:
    """How one data set is laid out, where it is to be had, and what its owners ask for."""

    name: str
    title: str
    files: str
    source: str
    terms: str
    load: Callable[[Path], LoadedSet]
    least_rating: float | None = None


_GROUPLENS = "research use; no redistribution and no commercial use without permission"
_MCAULEY = "research use, as the McAuley lab asks; no licence is stated"

FORMATS = (
    Format(
        "movielens-100k",
        "MovieLens 100K",
        "u.item, u.genre, u.data",
        "https://grouplens.org/datasets/movielens/100k/",
        _GROUPLENS,
        movielens.load_100k,
        4.0,
    ),
    Format(
        "movielens-1m",
        "MovieLens 1M",
        "movies.dat, ratings.dat",
        "https://grouplens.org/datasets/movielens/1m/",
        _GROUPLENS,
        movielens.load_1m,
        4.0,
    ),
    Format(
        "movielens-latest",
        "MovieLens latest, 20M, 25M and 32M",
        "movies.csv, ratings.csv; tags.csv is left alone, as it says who met what",
        "https://grouplens.org/datasets/movielens/",
        "research use; redistribution under the same terms, no commercial use",
        movielens.load_latest,
        4.0,
    ),
    Format(
        "mind",
        "MIND (Microsoft News)",
        "news.tsv, behaviors.tsv, of the train or the dev split",
        "https://msnews.github.io/",
        "Microsoft Research Licence: non-commercial, no redistribution",
        mind.load,
    ),
    Format(
        "amazon-2014",
        "Amazon reviews 2014",
        "meta_*.json[.gz], and one file of reviews, *.json[.gz]",
        "https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html",
        _MCAULEY,
        amazon.load_2014,
    ),
    Format(
        "amazon-2018",
        "Amazon reviews 2018",
        "meta_*.json[.gz], and one file of reviews, *.json[.gz]",
        "https://nijianmo.github.io/amazon/",
        _MCAULEY,
        amazon.load_2018,
    ),
    Format(
        "amazon-2023",
        "Amazon reviews 2023",
        "meta_*.jsonl[.gz], and one file of reviews, *.jsonl[.gz]",
        "https://amazon-reviews-2023.github.io/",
        _MCAULEY,
        amazon.load_2023,
    ),
    Format(
        "goodreads",
        "Goodreads (UCSD Book Graph)",
        "goodreads_books*.json[.gz], goodreads_interactions*.json[.gz], and "
        "goodreads_book_authors.json[.gz], without which no author has a name",
        "https://cseweb.ucsd.edu/~jmcauley/datasets/goodreads.html",
        "academic use, no redistribution, no commercial use",
        goodreads.load,
    ),
    Format(
        "plain",
        "A folder of your own",
        "items.* and interactions.*, each CSV, TSV, JSON Lines or Parquet, packed or not",
        "your own",
        "your own",
        plain.load,
    ),
)
NAMES = tuple(each.name for each in FORMATS)


def parse(given: str) -> tuple[Format, Path]:
    """Read `NAME:FOLDER`.

    Raises:
        EvaluationError: there is no such format, or no such folder.
    """
    name, colon, folder = given.partition(":")
    found = next((each for each in FORMATS if each.name == name), None)
    if found is None or not colon or not folder:
        raise EvaluationError(
            f"{given!r} names no data set.", remedy=f"NAME:FOLDER, NAME one of {', '.join(NAMES)}."
        )
    path = Path(folder)
    if not path.is_dir():
        raise EvaluationError(
            f"{folder} is no folder.",
            detail=f"{found.title}: {found.files}. Terms: {found.terms}.",
            remedy=f"get the set from {found.source} and unpack it; nothing is downloaded here.",
        )
    return found, path


__all__ = ["FORMATS", "NAMES", "Format", "LoadedSet", "parse"]
