"""Builds in shards of the small catalog, for several tests."""

from tests import trees
from unillmrec.building import BuildOptions, Sharding, build

SMALL = {"sample": 150, "shard": 70, "cell": 40}


def options(**given):
    return BuildOptions(bounds=trees.NARROW, **given)


def build_small(path, catalog=None, work=None, backend="local", **given):
    sharding = Sharding(work, backend, **(SMALL | given.pop("cut", {})))
    catalog = trees.items() if catalog is None else catalog
    return build(catalog, path, options(**given), sharding=sharding)
