"""Test doubles for models, servers and judges, for our tests and yours.

`ScriptedEndpoint` answers from a script without a network. `FakeServer` listens on this machine,
speaks the OpenAI protocol, and fails on request. `NoisyJudge` and `BiasedJudge` add known amounts
of a model's faults to another judge. `HOSTILE_TEXTS` try to break out of a prompt, and
`find_breakouts` detects which of them did.
"""

from unillmrec.testing.batch_server import BatchServer
from unillmrec.testing.dialects import DIALECTS, Dialect
from unillmrec.testing.faults import Fault, FaultKind
from unillmrec.testing.hostile import HOSTILE_TEXTS, find_breakouts, obedient_answer
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
    "find_breakouts",
    "obedient_answer",
    "sensible_answer",
]
