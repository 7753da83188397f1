"""One HTTP request and its response: the connection, errors, retry policy."""
