"""Sentences as vectors: their words, static word vectors, and weights for a catalog's terms."""
