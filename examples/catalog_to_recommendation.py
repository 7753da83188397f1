"""Build a tree from a small catalog, change it, and recommend: no model, no network.

Run: python examples/catalog_to_recommendation.py
"""

import json
import tempfile
from pathlib import Path

from unillmrec import Item, Recommender, TreeChanger, build, read_catalog

FILMS = [
    ("alien", "Alien", ["science fiction", "horror"], 1979),
    ("aliens", "Aliens", ["science fiction", "action"], 1986),
    ("solaris", "Solaris", ["science fiction", "drama"], 1972),
    ("amadeus", "Amadeus", ["drama", "music"], 1984),
    ("whiplash", "Whiplash", ["drama", "music"], 2014),
    ("shining", "The Shining", ["horror", "drama"], 1980),
    ("arrival", "Arrival", ["science fiction", "drama"], 2016),
    ("airplane", "Airplane!", ["comedy"], 1980),
]


def main() -> None:
    """Print three films for somebody who saw Alien and Solaris."""
    folder = Path(tempfile.mkdtemp())
    catalog = folder / "films.jsonl"
    rows = (dict(zip(("id", "title", "genres", "year"), film, strict=True)) for film in FILMS)
    catalog.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    build(read_catalog(catalog), folder / "films.tree")
    with TreeChanger(folder / "films.tree") as changer:
        moon = Item("moon", "Moon", attributes={"genres": ("science fiction",), "year": 2009})
        changer.insert([moon])

    recommender = Recommender(folder / "films.tree")
    recommendation = recommender.recommend(["alien", "solaris"], limit=3, where="year > 1980")
    for each in recommendation.items:
        print(each.place, each.item.title, "|", each.reason)


if __name__ == "__main__":
    main()
