"""The exit codes that do not come with an error of the library."""

WRONG_USAGE = 2
UNWRITABLE = 3
INTERRUPTED = 130
