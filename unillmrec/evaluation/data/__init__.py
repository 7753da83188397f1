"""The data of an evaluation: cases, ground truth, splits and pseudonymised catalogs."""
