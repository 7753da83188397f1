"""Log what every call to an endpoint costs, in a small SQLite file beside the tree.

Each call is one row, written when the call is over. The file is opened with the first call, and
problems with it never stop a recommendation. `read_log` adds calls up, and `Calibration` compares
them with our own estimates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unillmrec.system.lazy_names import lazy_names

if TYPE_CHECKING:
    from unillmrec.usage_log.calibration import Calibration, StageCalibration
    from unillmrec.usage_log.calls import Call, Costs, EstimateError, UsageLine
    from unillmrec.usage_log.file import FILE
    from unillmrec.usage_log.logged_endpoint import LoggedEndpoint
    from unillmrec.usage_log.reader import Grouping, read_log
    from unillmrec.usage_log.writer import SUFFIX, UsageLog, log_path

__all__ = [
    "FILE",
    "SUFFIX",
    "Calibration",
    "Call",
    "Costs",
    "EstimateError",
    "Grouping",
    "LoggedEndpoint",
    "StageCalibration",
    "UsageLine",
    "UsageLog",
    "log_path",
    "read_log",
]

_HOMES = {
    "Calibration": "calibration",
    "Call": "calls",
    "Costs": "calls",
    "EstimateError": "calls",
    "FILE": "file",
    "Grouping": "reader",
    "LoggedEndpoint": "logged_endpoint",
    "SUFFIX": "writer",
    "StageCalibration": "calibration",
    "UsageLine": "calls",
    "UsageLog": "writer",
    "log_path": "writer",
    "read_log": "reader",
}
__getattr__ = lazy_names(__name__, _HOMES)
