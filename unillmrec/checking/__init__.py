"""Check a tree: its invariants, its prompt lengths, and how well descriptions lead to items."""
