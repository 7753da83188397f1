"""Summarize nodes without a model: contrastive words, typical items, value ranges.

A build in memory, the merging of shards and the refresh after a change each hold a tree in
another form. They pass what they have (rows, sums, values) to these functions, so that equal
items give equal descriptions whichever way a tree came to hold them.
"""
