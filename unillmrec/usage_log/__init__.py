"""What every call to an endpoint cost, kept in a small SQLite file beside the tree.

One row is one call, written when it is over. The file is opened with the first call, and
trouble with it never stands in the way of a recommendation. What was logged is summed up by
`read_log`, and teaches `Experience` how far our own estimates are off.
"""

from unillmrec.usage_log.calibration import Experience, Lesson
from unillmrec.usage_log.calls import Call, Costs, Error, Line
from unillmrec.usage_log.file import FILE
from unillmrec.usage_log.logged_endpoint import LoggedEndpoint
from unillmrec.usage_log.reader import Grouping, read_log
from unillmrec.usage_log.writer import SUFFIX, UsageLog, log_path

__all__ = [
    "FILE",
    "SUFFIX",
    "Call",
    "Costs",
    "Error",
    "Experience",
    "Grouping",
    "Lesson",
    "Line",
    "LoggedEndpoint",
    "UsageLog",
    "log_path",
    "read_log",
]
