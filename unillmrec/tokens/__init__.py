"""Count tokens offline."""

from unillmrec.tokens.counter import Method, TokenCounter

__all__ = ["Method", "TokenCounter"]
