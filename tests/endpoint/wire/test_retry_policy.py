import email.utils
import time

import pytest

from unillmrec.endpoint.wire.retry_policy import RetryPolicy, read_retry_after

LONG = 1000.0


def test_waits_double_up_to_a_maximum_and_differ():
    """Threads that failed together do not retry together."""
    retry_policy = RetryPolicy(attempts=9, first_wait_seconds=1, longest_wait_seconds=4)

    for retries, most in enumerate([1, 2, 4, 4, 4]):
        waits = {retry_policy.wait(retries, None, LONG) for _ in range(50)}

        assert len(waits) > 1
        assert 0.75 * most <= min(waits)
        assert max(waits) <= most


@pytest.mark.parametrize(
    ("retries", "retry_after", "left"),
    [(3, None, LONG), (0, 61.0, LONG), (0, None, 0.1), (0, 30.0, 20.0)],
)
def test_gives_up_when_retrying_cannot_succeed(retries, retry_after, left):
    """After enough attempts, or if the wait is too long or exceeds the time left."""
    assert RetryPolicy().wait(retries, retry_after, left) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
    ],
)
def test_reads_the_wait_that_a_server_demands(headers, expected):
    """Seconds, milliseconds or a date; anything else is ignored."""
    assert expected == read_retry_after(headers)


def test_a_date_is_converted_to_seconds_from_now():
    """`Retry-After` may be an HTTP date."""
    moment = email.utils.formatdate(time.time() + 30, usegmt=True)

    assert pytest.approx(30, abs=2) == read_retry_after({"retry-after": moment})
