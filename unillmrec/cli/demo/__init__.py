"""`unillmrec demo`."""
