"""The language of `--where`: parse a predicate over attributes, and check it against a catalog."""
