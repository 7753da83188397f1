"""`unillmrec batch`."""
