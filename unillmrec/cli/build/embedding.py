"""Embed items at the endpoint of the settings: logged, billed, and announce first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from unillmrec.cli.shared.output import note
from unillmrec.cli.shared.session import announce, open_log
from unillmrec.endpoint import instrument
from unillmrec.judge.from_settings import build_endpoint, find_price
from unillmrec.settings import Settings
from unillmrec.usage import Bill, Stage
from unillmrec.usage_log import LoggedEndpoint

Embed = Callable[[Sequence[str]], list[list[float]]]


@contextmanager
def embedding_model(
    model: str, settings: Settings, tree: Path, bill: Bill, *, command: str
) -> Iterator[Embed]:
    """Yield a function that embeds texts with *model*, and adds what they cost to *bill*.

    Calls are logged beside *tree*, as calls of *command*.
    """
    endpoint = announce(build_endpoint(settings, model))
    origin = settings.origin("embed_model")
    note(f"Sending the items' text to {endpoint.model} at {endpoint.name} ({origin}).")
    with open_log(tree, settings, command) as log, endpoint:
        logged = LoggedEndpoint(instrument(endpoint), log, find_price(settings, endpoint.model))

        def embed(texts: Sequence[str]) -> list[list[float]]:
            vectors, usage = logged.embed(texts)
            bill.add(Stage.EMBED, usage)
            return vectors

        yield embed
