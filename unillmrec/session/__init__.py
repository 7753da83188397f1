"""A run over one tree with everything around its model: usage log, cache, recording, plan."""

from unillmrec.session.reply_files import ReplyFiles
from unillmrec.session.session import PersonArguments, RecommendArguments, Session

__all__ = ["PersonArguments", "RecommendArguments", "ReplyFiles", "Session"]
