"""`unillmrec usage`."""
