"""Rewrite node descriptions with a model: live, through request files, or through a Batch API."""
