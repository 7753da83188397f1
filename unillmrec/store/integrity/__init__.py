"""Check the content of a tree file: items against their hashes, columns and vectors."""
