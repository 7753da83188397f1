"""The `--where` language: its grammar, its conditions, and predicates over attributes."""
