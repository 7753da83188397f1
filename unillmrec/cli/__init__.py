"""The command line. `main()` alone turns errors into text and exit codes."""

from __future__ import annotations

import os
import sys

from unillmrec.errors import UnillmrecError

WRONG_USAGE = 2
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; print our own errors, let every other one through.

    Ends with exit code 0 when done, 2 for wrong usage, 3 for something in the input or the
    settings, 4 for the endpoint, 5 for a reply that could not be used, 130 when interrupted.
    """
    from typer import TyperException

    from unillmrec.cli.application import app
    from unillmrec.cli.help import Interrupted, ReaderGone

    _never_fail_on_a_letter()
    try:
        code = app(args=arguments, prog_name="unillmrec", standalone_mode=False)
        sys.stdout.flush()
    except UnillmrecError as error:
        _end(str(error), error.exit_code, error)
    except TyperException as error:
        _end_by_usage(error)
    except (Interrupted, KeyboardInterrupt) as error:
        print("Interrupted.", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from error
    except (ReaderGone, BrokenPipeError):
        # Whoever read our output has seen enough, as `head` does. Nothing more may be written,
        # not even by the interpreter on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        if code:
            raise SystemExit(code)


def _end(told: str, code: int, error: Exception) -> None:
    from unillmrec.cli.render import tell_error

    tell_error(told)
    raise SystemExit(code) from error


def _end_by_usage(error: Exception) -> None:
    """Say what was wrong with the arguments, and how to see the right ones."""
    context = getattr(error, "ctx", None)
    told = str(getattr(error, "format_message", lambda: error)())
    if type(error).__name__ == "NoArgsIsHelpError":
        # What it has to say is the help.
        print(told, file=sys.stderr)
        raise SystemExit(WRONG_USAGE) from error
    hint = f"\n  Try: `{context.command_path} --help`" if context else ""
    _end(told.replace("Value error, ", "") + hint, WRONG_USAGE, error)


def _never_fail_on_a_letter() -> None:
    """Let a terminal that cannot show a letter get a question mark rather than a traceback."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
