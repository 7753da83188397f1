"""`unillmrec evaluate`."""
