"""`unillmrec tree`: show, find, check, export."""
