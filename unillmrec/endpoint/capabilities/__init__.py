"""What a server accepts: probing, remembering, and choosing the request style."""
