"""Stand-ins for a model and for a server, for our tests and for everybody's.

`ScriptedEndpoint` answers from a script without any network. `FakeServer` listens on this
machine, speaks the OpenAI protocol, and fails on request.
"""

from unillmrec.testing.dialects import DIALECTS, Dialect
from unillmrec.testing.faults import Fault, FaultKind
from unillmrec.testing.scripted import ScriptedEndpoint
from unillmrec.testing.sensible import sensible_answer
from unillmrec.testing.server import FakeServer

__all__ = [
    "DIALECTS",
    "Dialect",
    "FakeServer",
    "Fault",
    "FaultKind",
    "ScriptedEndpoint",
    "sensible_answer",
]
