"""Stand-ins for a model and for a server, for our tests and for everybody's.

`ScriptedEndpoint` answers from a script without any network. `FakeServer` listens on this
machine, speaks the OpenAI protocol, and fails on request. `NoisyJudge` and `BiasedJudge` give
another judge the faults of a model, in a measure that is known. `HOSTILE_TEXTS` try to break out
of a prompt, and `broken_seals` says which of them did.
"""

from unillmrec.testing.batch_server import BatchServer
from unillmrec.testing.dialects import DIALECTS, Dialect
from unillmrec.testing.faults import Fault, FaultKind
from unillmrec.testing.hostile import HOSTILE_TEXTS, broken_seals, obedient_answer
from unillmrec.testing.scripted import ScriptedEndpoint
from unillmrec.testing.sensible import sensible_answer
from unillmrec.testing.server import FakeServer
from unillmrec.testing.simulated import BiasedJudge, NoisyJudge

__all__ = [
    "DIALECTS",
    "HOSTILE_TEXTS",
    "BatchServer",
    "BiasedJudge",
    "Dialect",
    "FakeServer",
    "Fault",
    "FaultKind",
    "NoisyJudge",
    "ScriptedEndpoint",
    "broken_seals",
    "obedient_answer",
    "sensible_answer",
]
