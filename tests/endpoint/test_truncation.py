import pytest

from unillmrec.endpoint import FailureKind, Message, Request, usage_of
from unillmrec.endpoint.truncation import check_truncation
from unillmrec.endpoint.wire.failures import Failure
from unillmrec.testing import Fault
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Stage, Usage

CONTENTS = ["Slow rivers and quiet mountains in the north. " * 200]
COUNTED = TokenCounter.for_model(None).count_messages(CONTENTS)


def checked(prompt, total=None, contents=CONTENTS):
    usage = Usage(1, prompt, 20, 0, 0)
    return check_truncation(usage, {"total_tokens": total}, contents, ("m", "host")).prompt


@pytest.mark.parametrize("share", [0.76, 1.0, 1.9])
def test_another_vocabulary_is_not_truncation(share):
    """Other vocabularies have up to a quarter fewer tokens."""
    assert int(share * COUNTED) == checked(int(share * COUNTED))


@pytest.mark.parametrize("prompt", [100, 512, int(0.7 * COUNTED)])
def test_a_truncated_prompt_is_an_error(prompt):
    """The model has seen only a part of the question."""
    with pytest.raises(Failure) as caught:
        checked(prompt)

    assert FailureKind.TOO_LONG is caught.value.kind
    assert f"has read {prompt:,} tokens of a prompt of about {COUNTED:,}" in caught.value.problem
    assert (prompt, 20) == (caught.value.usage.prompt, caught.value.usage.completion)


def test_a_placeholder_count_is_unknown():
    """Some servers report the same small number for every prompt."""
    assert checked(10) is None


def test_tokens_that_only_the_total_includes_count():
    """Some servers leave cached tokens out of the prompt count."""
    assert 100 == checked(100, total=COUNTED + 20)


def test_a_short_prompt_is_not_checked():
    """The chat template and our own error weigh too much."""
    assert 70 == checked(70, contents=["word " * 200])


def test_a_truncating_server_is_an_error_with_usage(server_with, endpoint_to):
    """The call is billed, and not retried."""
    server = server_with(faults=[Fault.prompt_cut(300)])
    request = Request(Stage.RECALL, (Message("user", CONTENTS[0]),), max_output=50)

    with pytest.raises(Exception, match="has read 300 tokens") as caught:
        endpoint_to(server).complete(request)

    assert server.billed == usage_of(caught.value)
    assert 1 == len(server.requests)
