"""Measurements behind the design's numbers: `python -m benchmarks run NAME`."""
