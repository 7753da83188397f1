import json

import pytest

from unillmrec.endpoint import Reply
from unillmrec.endpoint.wrappers.serialization import (
    decode_reply,
    encode_reply,
    error_from_plain,
    error_to_plain,
)
from unillmrec.errors import (
    BatchError,
    EndpointError,
    PersonError,
    ReplyError,
    SettingsError,
    UnillmrecError,
)
from unillmrec.usage import Usage

USAGE = Usage(2, None, 20, 30, None, known_prompt=70)
REPLY = Reply("“a”\n\ud83d", USAGE, "labels", None, "m", 0.5, 1, 2, (("A", 0.5),), Usage(1))


def test_a_reply_survives_encoding():
    """All fields, what is known of a partly unknown usage, and half a surrogate pair."""
    text = encode_reply(REPLY)

    assert text.isascii()
    assert REPLY == decode_reply(text)


def test_replies_of_other_versions_can_be_read():
    """Fields may be missing from the file, and the file may have more of them."""
    counts = {"calls": 1, "prompt": 9, "completion": 3, "cached": None, "reasoning": 0}
    old = {"text": "a", "usage": counts, "asked_with": "text", "finish": None, "model": "m"}

    reply = decode_reply(json.dumps({**old, "seconds": 0.5, "mood": "good"}))

    assert Reply("a", Usage(1, 9, 3, None, 0), "text", None, "m", 0.5) == reply


@pytest.mark.parametrize(
    ("kind", "restored"),
    [
        (PersonError, PersonError),
        (BatchError, BatchError),
        (ReplyError, ReplyError),
        (EndpointError, EndpointError),
        (SettingsError, UnillmrecError),
    ],
)
def test_errors_keep_their_type_and_message(kind, restored):
    """A type that no process sends to another becomes the general one."""
    error = kind("no.", detail="It is so.", remedy="ask.")

    again = error_from_plain(json.loads(json.dumps(error_to_plain(error))))

    assert (restored, str(error)) == (type(again), str(again))
