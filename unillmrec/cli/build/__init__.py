"""`unillmrec build`."""
