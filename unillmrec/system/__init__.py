"""Processes and files: what the operating system gives us."""
