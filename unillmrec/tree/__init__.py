"""How items become a tree: terms, vectors, clusters, descriptions."""
