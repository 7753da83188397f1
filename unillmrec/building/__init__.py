"""Build a tree file from a catalog.

`pipeline.build` runs the phases; `memory_build` and `shards` each know how to do them, and
`backends` says where parts of the work run.
"""

from unillmrec.building.options import BuildOptions, Sharding
from unillmrec.building.pipeline import build
from unillmrec.building.progress import OnProgress
from unillmrec.building.report import BuildReport

__all__ = ["BuildOptions", "BuildReport", "OnProgress", "Sharding", "build"]
