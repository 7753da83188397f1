"""How long a text is for a model, counted offline."""

from unillmrec.tokens.counter import Method, TokenCounter

__all__ = ["Method", "TokenCounter"]
