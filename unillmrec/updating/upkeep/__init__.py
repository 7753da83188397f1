"""Keep a changing tree in shape: split, merge, refresh."""
