"""The systems of an evaluation: this package and its baselines. New ones go in `registry`."""
