"""What the flags of `unillmrec doctor` ask for."""

from __future__ import annotations

from dataclasses import dataclass

from unillmrec.cli.flags.declare import option
from unillmrec.cli.flags.groups import EndpointFlags, json_flag


@dataclass(frozen=True, kw_only=True)
class DoctorRequest(EndpointFlags):
    """The flags of `unillmrec doctor`."""

    forget: bool = option(
        "--forget",
        help="Delete what is stored about this endpoint and model; send nothing.",
        default=False,
    )
    json: bool = json_flag()
