"""Build a large tree shard by shard: slices of the catalog in, one tree file out."""
