"""The command line of the benchmarks: run one, or report what was measured."""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from pathlib import Path

from benchmarks import report
from benchmarks.redoing import redo, shown
from benchmarks.small import in_small

BENCHMARKS = (
    "fields",
    "history",
    "ceiling",
    "speed",
    "scale",
    "sharded",
    "change",
    "churn",
    "change_scale",
    "crash",
    "transcripts",
    "sentences",
    "variety",
    "fidelity",
    "interests",
    "budgets",
    "descriptions",
    "planning",
    "ledger",
    "replay",
    "prefixes",
    "fuzz",
    "titles",
    "position",
    "letters",
    "batch",
    "baselines",
    "evaluation",
    "encoder",
    "tokens",
)


ALL = "all"


def main() -> None:
    """Run one benchmark or all of them, or update the tables of the README."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run", help="measure, and write results/NAME.json")
    help_text = f"which one, or {ALL!r} for every result that is shown, and the tables with them"
    runner.add_argument("name", choices=(*BENCHMARKS, ALL), help=help_text, metavar="NAME")
    where = runner.add_mutually_exclusive_group(required=True)
    where.add_argument("--data", type=Path, help="the folder of the data sets", metavar="DIR")
    where.add_argument(
        "--small", action="store_true", help="only see that it runs, on made-up data; save nothing"
    )
    reporter = commands.add_parser("report", help="write the tables from results/*.json")
    reporter.add_argument("--check", action="store_true", help="only say whether they are right")
    chosen = parser.parse_args()
    if chosen.command == "report":
        raise SystemExit(report.write(check=chosen.check))
    if chosen.name == ALL and chosen.small:
        parser.error("--small is for one benchmark.")
    if chosen.name == ALL:
        raise SystemExit(redo(chosen.data, shown(BENCHMARKS)))
    if chosen.small:
        run_small(chosen.name)
    else:
        import_module(f"benchmarks.{chosen.name}").run(chosen.data)


def run_small(name: str) -> None:
    """Run a benchmark on small generated data, and print the table."""
    with in_small(name) as (data, result):
        import_module(f"benchmarks.{name}").run(data)
        print(report.section(json.loads(result.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
