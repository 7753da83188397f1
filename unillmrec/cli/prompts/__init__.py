"""`unillmrec prompts`."""
