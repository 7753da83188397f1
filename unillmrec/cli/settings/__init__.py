"""`unillmrec settings`."""
