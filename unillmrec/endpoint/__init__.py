"""The client for language models on a server: the contract, the OpenAI client, its wrappers.

`OpenAIEndpoint` speaks Chat Completions to any compatible server. Anything that implements the
protocol `Endpoint` can replace it, or wrap another endpoint. Importing this package loads no
client library; the first call does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unillmrec.system.lazy_names import lazy_names

if TYPE_CHECKING:
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

_HOMES = {
    "AnswerError": "contract",
    "AskedWith": "contract",
    "CallError": "contract",
    "EmbeddingEndpoint": "contract",
    "Endpoint": "contract",
    "FATAL_FAILURES": "contract",
    "FailureKind": "contract",
    "FullEndpoint": "contract",
    "Message": "contract",
    "OpenAIEndpoint": "openai_endpoint",
    "PERMANENT_FAILURES": "contract",
    "Reply": "contract",
    "Request": "contract",
    "RequestStyle": "capabilities.request_style",
    "RetryPolicy": "wire.retry_policy",
    "Schema": "contract",
    "instrument": "wrappers.instrumentation",
    "usage_of": "contract",
}
__getattr__ = lazy_names(__name__, _HOMES)
