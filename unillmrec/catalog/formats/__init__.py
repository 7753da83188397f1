"""The file formats of catalogs: one module each, listed in `registry`."""
