"""Stand-ins for a model and for a server, for our tests and for everybody's.

`ScriptedEndpoint` answers from a script without any network. `FakeServer` listens on this
machine, speaks the OpenAI protocol, and fails on request. `NoisyJudge` and `BiasedJudge` give
another judge the faults of a model, in a measure that is known.
"""

from unillmrec.testing.dialects import DIALECTS, Dialect
from unillmrec.testing.faults import Fault, FaultKind
from unillmrec.testing.scripted import ScriptedEndpoint
from unillmrec.testing.sensible import sensible_answer
from unillmrec.testing.server import FakeServer
from unillmrec.testing.simulated import BiasedJudge, NoisyJudge

__all__ = [
    "DIALECTS",
    "BiasedJudge",
    "Dialect",
    "FakeServer",
    "Fault",
    "FaultKind",
    "NoisyJudge",
    "ScriptedEndpoint",
    "sensible_answer",
]
