"""Public data sets in the formats of their publishers, with a few made-up rows each."""

import gzip
import json
from pathlib import Path

import pytest

from unillmrec.errors import EvaluationError
from unillmrec.evaluation.datasets import DATASETS, parse_dataset


def objects(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


GENRES = "unknown|0\nAction|1\nComedy|2\n\n"
MOVIES = "1::Tin Town (1995)::Comedy|Action\n2::Caf\xe9 (1994)::Drama\n"
NEWS = "N1\tnews\tnewsus\tA Flood\tIt rained.\thttps://x\t[]\t[]\nN2\tfood\tsoup\tSoup\t\t\t\t\n"
SHOWN = (
    "1\tU1\t11/15/2019 8:55:22 AM\tN2 N1\tN1-0 N2-1\n2\tU1\t11/16/2019 8:55:22 PM\tN2 N1\tN1-1\n"
)

REVIEW = objects({"reviewerID": "U", "asin": "A1", "overall": 4.0, "unixReviewTime": 1_400_000_000})

FILES = {
    "movielens-100k": {
        "u.genre": GENRES,
        "u.item": "1|Tin Town (1995)|01-Jan-1995||http://x|0|1|1\n2|Caf\xe9 (1994)||||1|0|0\n",
        "u.data": "196\t1\t3\t881250949\n196\t2\t5\t881250950\n",
    },
    "movielens-1m": {
        "movies.dat": MOVIES,
        "ratings.dat": "9::1::3::978300760\n9::2::5::978300761\n",
    },
    "movielens-latest": {
        "movies.csv": "movieId,title,genres\n"
        '1,"Town, Tin (1995)",Comedy\n2,Alone,(no genres listed)\n',
        "ratings.csv": "userId,movieId,rating,timestamp\n9,1,3.5,978300760\n9,2,5.0,978300761\n",
        "tags.csv": "userId,movieId,tag,timestamp\n9,1,Tin,1\n8,1,tin,2\n",
    },
    "mind": {"news.tsv": NEWS, "behaviors.tsv": SHOWN},
    "amazon-2014": {
        # Not JSON, but a Python literal.
        "meta_Toys.json": "{'asin': 'A1', 'title': 'Kite &amp; String', 'categories': [['Toys']]}\n"
        "{'asin': 'A2'}\n",
        "reviews_Toys_5.json": REVIEW,
    },
    "amazon-2018": {
        "meta_Toys.json": objects(
            {
                "asin": "A1",
                "title": "Kite",
                "category": ["Toys"],
                "description": ["Flies.", "High."],
                "feature": ["Two strings", "Tail &amp; bow"],
            },
            {"asin": "A9", "title": "Nobody reviewed it"},
        ),
        "Toys_5.json": REVIEW,
    },
    "amazon-2023": {
        "meta_Toys.jsonl": objects(
            {
                **{"parent_asin": "A1", "title": "Kite", "categories": ["Toys"], "store": "Up"},
                **{"features": ["Two strings"], "description": ["Flies."]},
            }
        ),
        "Toys.jsonl": objects(
            {
                **{"user_id": "U", "asin": "B", "parent_asin": "A1"},
                **{"rating": 4.0, "timestamp": 1_400_000_000_000},
            }
        ),
    },
    "goodreads": {
        "goodreads_books_poetry.json": objects(
            {
                **{"book_id": "7", "title": "Odes", "description": "Poems."},
                **{"publication_year": "1820"},
                "authors": [
                    {"author_id": "12", "role": "Illustrator"},
                    {"author_id": "11", "role": ""},
                ],
                "popular_shelves": [
                    {"count": "9", "name": "to-read"},
                    {"count": "3", "name": "poetry"},
                    {"count": "1", "name": "anns-summer"},
                ],
            }
        ),
        "goodreads_book_authors.json": objects(
            {"author_id": "11", "name": "Ann Verse", "average_rating": "3.9"},
            {"author_id": "12", "name": "Bo Brush", "average_rating": "3.1"},
        ),
        "goodreads_interactions_poetry.json": objects(
            {
                **{"user_id": "u", "book_id": "7", "rating": 0, "is_read": True, "read_at": ""},
                "date_added": "Wed Dec 07 12:00:00 -0800 2016",
            }
        ),
    },
    "plain": {
        "items.csv": "id,title\n1,Tin Town\n",
        "interactions.jsonl": '{"user_id": "u", "item_id": "1", "timestamp": 5}\n',
    },
}


def laid_out(name, folder, packed=False, **changed):
    """Write the files of a data set, and return its argument for the command line."""
    folder.mkdir()
    for file, text in (FILES[name] | changed).items():
        if text is None:
            continue
        content = text.encode("latin-1" if name in ("movielens-100k", "movielens-1m") else "utf-8")
        path = folder / (f"{file}.gz" if packed else file)
        path.write_bytes(gzip.compress(content) if packed else content)
    return f"{name}:{folder}"


def load(given):
    form, folder = parse_dataset(given)
    return form.load(folder)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("name", FILES)
def test_every_data_set_is_read(name, packed, tmp_path):
    """Items and interactions, gzipped or not."""
    found = load(laid_out(name, tmp_path / "set", packed))

    assert all(item.title for item in found.items)
    assert set(found.interactions.items) <= {item.id for item in found.items}
    assert len(found.interactions)


def test_every_data_set_is_tested_here():
    """Each has a source and terms."""
    assert set(FILES) == {each.name for each in DATASETS}
    assert all(each.source and each.terms and each.files for each in DATASETS)


def test_movielens(tmp_path):
    """The year is removed from the title; the encoding is Latin-1."""
    for name in ("movielens-100k", "movielens-1m"):
        found = load(laid_out(name, tmp_path / name))
        film, other = found.items
        assert ("Tin Town", 1995, {"Action", "Comedy"}) == (
            film.title,
            film.attributes["year"],
            set(film.attributes["genres"]),
        )
        assert "Café" == other.title
        assert [3.0, 5.0] == found.interactions.rating.tolist()

    found = load(laid_out("movielens-latest", tmp_path / "latest"))
    assert "Town, Tin" == found.items[0].title
    assert {"year", "genres"} >= set(found.items[0].attributes)
    assert "genres" not in found.items[1].attributes


def test_mind_clicks_come_after_the_history(tmp_path):
    """The history counts once per person; news that were not clicked do not count."""
    met = load(laid_out("mind", tmp_path / "set")).interactions

    assert ["N2", "N1", "N2", "N1"] == [met.items[item] for item in met.item]
    assert sorted(met.time) == met.time.tolist()
    assert [-2, -1] == met.time[:2].tolist()


def test_the_test_split_of_mind_is_rejected(tmp_path):
    """Its impressions have no clicks."""
    for shown in ("N1 N2", "N-7"):
        blind = f"1\tU1\t11/15/2019 8:55:22 AM\tN2 N1\t{shown}\n"
        given = laid_out("mind", tmp_path / shown, **{"behaviors.tsv": blind})
        with pytest.raises(
            EvaluationError, match=r"behaviors.tsv:1: 'N.* does not end in -1"
        ) as raised:
            load(given)
        assert "test split" in raised.value.detail
        assert "train split or of the dev split" in raised.value.remedy


def test_amazon_reviews(tmp_path):
    """The three editions contain the same in different formats."""
    files = {
        "amazon-2014": "",
        "amazon-2018": "Flies. High. Two strings Tail & bow",
        "amazon-2023": "Flies. Two strings",
    }
    for name, text in files.items():
        found = load(laid_out(name, tmp_path / name))
        (item,) = found.items
        assert "A1" == item.id
        assert "Toys" == item.path[0]
        assert text == item.text
        assert [1_400_000_000.0] == found.interactions.time.tolist()
    assert {"brand": "Up"} == dict(item.attributes)


def test_goodreads(tmp_path):
    """A rating of 0 is none; shelves of one reader and personal shelves are left out."""
    found = load(laid_out("goodreads", tmp_path / "set"))
    (book,) = found.items

    assert {"authors": ("Ann Verse",), "shelves": ("poetry",), "year": 1820} == dict(
        book.attributes
    )
    assert [1481140800.0] == found.interactions.time.tolist()
    assert str(found.interactions.rating[0]) == "nan"


def test_goodreads_without_the_file_of_authors(tmp_path):
    """It is optional; contributors who are not authors are left out."""
    authors, book = "goodreads_book_authors.json", FILES["goodreads"]["goodreads_books_poetry.json"]
    given = laid_out("goodreads", tmp_path / "alone", **{authors: None})
    assert "authors" not in load(given).items[0].attributes

    without = {"goodreads_books_poetry.json": book.replace('"role": ""', '"role": "Translator"')}
    bo = {authors: objects({"author_id": "12", "name": "Bo Brush"})}
    given = laid_out("goodreads", tmp_path / "others", **without, **bo)
    assert ("Bo Brush",) == load(given).items[0].attributes["authors"]


def test_goodreads_with_invalid_lists(tmp_path):
    """The valid fields are read."""
    book = objects({"book_id": "7", "title": "Odes", "authors": 3, "popular_shelves": "poetry"})
    given = laid_out("goodreads", tmp_path / "set", **{"goodreads_books_poetry.json": book})

    assert [("Odes", {})] == [(each.title, dict(each.attributes)) for each in load(given).items]


def test_the_summary_of_goodreads(tmp_path):
    """It has book numbers of its own."""
    given = laid_out(
        *("goodreads", tmp_path / "set"),
        **{
            "goodreads_interactions_poetry.json": None,
            "goodreads_interactions.csv": "user_id,book_id,is_read,rating\n0,948,1,5\n",
            "book_id_map.csv": "book_id_csv,book_id\n948,7\n",
        },
    )
    met = load(given).interactions

    assert ("7",) == met.items
    assert not met.has_times


@pytest.mark.parametrize(
    ("name", "file", "text", "problem"),
    [
        ("movielens-1m", "movies.dat", "1::Tin Town\n", "movies.dat:1: 2 fields where 3"),
        ("movielens-1m", "ratings.dat", "9::1::good::1\n", "ratings.dat:1: 'good' is not a rating"),
        ("movielens-1m", "ratings.dat", None, "contains no ratings.dat"),
        ("movielens-latest", "ratings.csv", "a,b\n1,2\n", "there is no column 'userId'"),
        ("movielens-latest", "movies.csv", "movieId,title,genres\n1,2\n", "movies.csv:2: 2 fields"),
        ("mind", "behaviors.tsv", "1\tU\t2019\t\tN1-1\n", "behaviors.tsv:1: '2019' is not a time"),
        ("mind", "behaviors.tsv", SHOWN.replace("N1-0", "N1"), "'N1' does not end in -1"),
        ("amazon-2018", "Toys_5.json", "{]\n", "Toys_5.json:1: this is not an object"),
        ("amazon-2018", "Toys_5.json", '{"asin": "A1"}\n', "there is no 'reviewerID'"),
        (
            "amazon-2014",
            "meta_Toys.json",
            "__import__('os')\n",
            "meta_Toys.json:1: this is not an object",
        ),
        ("amazon-2018", "meta_Toys.json", '{"asin": "A9", "title": "x"}\n', "none of its products"),
        ("amazon-2018", "more.json", "{}\n", "several files of reviews"),
        ("goodreads", "goodreads_books_poetry.json", '{"book_id": "8"}\n', "none of its books"),
        ("goodreads", "goodreads_book_authors.json", '{"name": "x"}\n', "there is no 'author_id'"),
    ],
)
def test_an_invalid_file_is_an_error_with_its_place(name, file, text, problem, tmp_path):
    """The message names the file, the line and the problem."""
    with pytest.raises(EvaluationError, match=problem):
        load(laid_out(name, tmp_path / "set", **{file: text}))


def test_a_damaged_file_is_an_error(tmp_path):
    """Such as an incomplete download."""
    given = laid_out("movielens-1m", tmp_path / "set", packed=True)
    path = tmp_path / "set" / "ratings.dat.gz"
    path.write_bytes(path.read_bytes()[:-6])

    with pytest.raises(EvaluationError, match=r"ratings.dat.gz cannot be read"):
        load(given)


def test_a_missing_data_set_names_its_source():
    """And its terms; nothing is downloaded."""
    with pytest.raises(EvaluationError, match="nowhere is not a folder") as raised:
        parse_dataset("movielens-1m:nowhere")
    assert "https://grouplens.org" in raised.value.remedy
    assert "research use" in raised.value.detail

    for given in ("movielens:here", "movielens-1m", "movielens-1m:"):
        with pytest.raises(EvaluationError, match="is not a data set"):
            parse_dataset(given)


def test_a_folder_of_your_own(tmp_path):
    """In any format that catalogs and histories are read in."""
    found = load(laid_out("plain", tmp_path / "set"))

    assert "Tin Town" == found.items[0].title
    assert json.loads("[5.0]") == found.interactions.time.tolist()
    assert Path(tmp_path / "set").is_dir()
