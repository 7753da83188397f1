"""`unillmrec recommend`."""
