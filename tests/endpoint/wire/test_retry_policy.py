import email.utils
import time

import pytest

from unillmrec.endpoint.wire.retry_policy import RetryPolicy, asked_pause

LONG = 1000.0


def test_pauses_double_up_to_a_bound_and_differ():
    """Threads that failed together do not come back together."""
    patience = RetryPolicy(attempts=9, first_wait_seconds=1, longest_wait_seconds=4)

    for retries, most in enumerate([1, 2, 4, 4, 4]):
        pauses = {patience.wait(retries, None, LONG) for _ in range(50)}

        assert len(pauses) > 1
        assert 0.75 * most <= min(pauses)
        assert max(pauses) <= most


@pytest.mark.parametrize(
    ("retries", "asked", "left"),
    [(3, None, LONG), (0, 61.0, LONG), (0, None, 0.1), (0, 30.0, 20.0)],
)
def test_gives_up(retries, asked, left):
    """After enough attempts, for too long a pause, and when the pause does not fit."""
    assert RetryPolicy().wait(retries, asked, left) is None


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
def test_reads_what_a_server_asks_for(headers, expected):
    """Seconds, milliseconds or a date; nonsense is no request."""
    assert expected == asked_pause(headers)


def test_a_date_is_a_pause_from_now():
    """A date in the future is so many seconds away."""
    moment = email.utils.formatdate(time.time() + 30, usegmt=True)

    assert pytest.approx(30, abs=2) == asked_pause({"retry-after": moment})
