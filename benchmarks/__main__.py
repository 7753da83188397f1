"""The command line of the benchmarks: run one, or report what was measured."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from benchmarks import report

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
    "position",
    "batch",
    "baselines",
    "evaluation",
    "tokens",
)


def main() -> None:
    """Run a benchmark, or write the tables of the README anew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run", help="measure, and write results/NAME.json")
    runner.add_argument("name", choices=BENCHMARKS)
    runner.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    reporter = commands.add_parser("report", help="write the tables from results/*.json")
    reporter.add_argument("--check", action="store_true", help="only say whether they are right")
    chosen = parser.parse_args()
    if chosen.command == "run":
        import_module(f"benchmarks.{chosen.name}").run(chosen.data)
    else:
        raise SystemExit(report.write(check=chosen.check))


if __name__ == "__main__":
    main()
