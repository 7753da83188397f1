"""Find the leaf an item belongs in."""
