"""Change a tree in transactions: items, nodes and term counts."""
