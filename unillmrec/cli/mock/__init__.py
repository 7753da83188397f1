"""`unillmrec mock`."""
