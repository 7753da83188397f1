"""`unillmrec tree check`."""
