from unillmrec.endpoint import Message, Request
from unillmrec.judge.dialogue import COMPLAINT, Dialogue
from unillmrec.testing import ScriptedEndpoint
from unillmrec.usage import Stage

REQUEST = Request(Stage.DESCRIBE, (Message("user", "How many?"),), 100)


def test_a_usable_answer_ends_the_dialogue(writer):
    """One call, one exchange, with our own estimate beside what was reported."""
    dialogue = Dialogue(ScriptedEndpoint(["12"]), writer)

    assert (12,) == dialogue.ask(REQUEST, int, bool)

    (exchange,) = dialogue.exchanges
    assert ((("user", "How many?"),), "12") == (exchange.messages, exchange.reply)
    assert (1, True) == (dialogue.usage.calls, dialogue.usage.estimated_prompt > 0)


def test_an_unusable_answer_is_asked_for_once_more(writer):
    """Both readings come back, the one that counts last; both calls are kept."""
    endpoint = ScriptedEndpoint(["0", "0"])
    dialogue = Dialogue(endpoint, writer)

    assert (0, 0) == dialogue.ask(REQUEST, int, bool)

    told = [each.content for each in endpoint.requests[1].messages]
    assert ["How many?", "0", COMPLAINT] == told
    assert 2 == dialogue.usage.calls
