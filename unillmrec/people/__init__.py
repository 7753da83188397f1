"""Read people from files: one history, many people with one row each, or an interactions table."""
