"""From a catalog to a tree file."""

from unillmrec.building.pipeline import BuildOptions, BuildReport, Progress, build

__all__ = ["BuildOptions", "BuildReport", "Progress", "build"]
