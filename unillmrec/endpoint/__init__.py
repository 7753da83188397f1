"""A language model on a server: what is asked, what comes back, and what can go wrong between.

`OpenAIEndpoint` speaks Chat Completions to any compatible server. Whatever has the shape of
`Endpoint` can stand in its place, and wrap another. Importing this package loads no client
library; the first call does.
"""

from unillmrec.endpoint.capabilities.request_style import RequestStyle
from unillmrec.endpoint.contract import (
    AnswerError,
    AskedWith,
    CallError,
    EmbeddingEndpoint,
    Endpoint,
    Kind,
    Message,
    Reply,
    Request,
    Schema,
    spent,
)
from unillmrec.endpoint.openai_endpoint import OpenAIEndpoint
from unillmrec.endpoint.wire.retry_policy import RetryPolicy
from unillmrec.endpoint.wrappers.instrumentation import WatchableEndpoint, watched

__all__ = [
    "AnswerError",
    "AskedWith",
    "CallError",
    "EmbeddingEndpoint",
    "Endpoint",
    "Kind",
    "Message",
    "OpenAIEndpoint",
    "Reply",
    "Request",
    "RequestStyle",
    "RetryPolicy",
    "Schema",
    "WatchableEndpoint",
    "spent",
    "watched",
]
