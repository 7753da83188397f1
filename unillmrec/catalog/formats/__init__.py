"""Catalog formats: each reads one kind of file as numbered rows."""
