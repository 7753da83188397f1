"""`unillmrec describe`."""
