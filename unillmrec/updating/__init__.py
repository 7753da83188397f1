"""Change a tree while it is in use: insert, update, delete, sync."""
