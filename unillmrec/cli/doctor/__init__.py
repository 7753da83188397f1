"""`unillmrec doctor`."""
