"""The client for language models on a server: the contract, the OpenAI client, its wrappers.

`OpenAIEndpoint` speaks Chat Completions to any compatible server. Anything that implements the
protocol `Endpoint` can replace it, or wrap another endpoint. Importing this package loads no
client library; the first call does.
"""

from unillmrec.endpoint.capabilities.request_style import RequestStyle
from unillmrec.endpoint.contract import (
    FATAL_FAILURES,
    PERMANENT_FAILURES,
    AnswerError,
    AskedWith,
    CallError,
    EmbeddingEndpoint,
    Endpoint,
    FailureKind,
    FullEndpoint,
    Message,
    Reply,
    Request,
    Schema,
    usage_of,
)
from unillmrec.endpoint.openai_endpoint import OpenAIEndpoint
from unillmrec.endpoint.wire.retry_policy import RetryPolicy
from unillmrec.endpoint.wrappers.instrumentation import instrument

__all__ = [
    "FATAL_FAILURES",
    "PERMANENT_FAILURES",
    "AnswerError",
    "AskedWith",
    "CallError",
    "EmbeddingEndpoint",
    "Endpoint",
    "FailureKind",
    "FullEndpoint",
    "Message",
    "OpenAIEndpoint",
    "Reply",
    "Request",
    "RequestStyle",
    "RetryPolicy",
    "Schema",
    "instrument",
    "usage_of",
]
