"""One HTTP request: the connection, its failures, error bodies, and the reading of answers."""
