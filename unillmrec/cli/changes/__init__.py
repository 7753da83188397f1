"""`unillmrec insert`, `update`, `upsert`, `delete` and `sync`."""
