"""The command line. `main()` alone turns errors into text and exit codes."""

from __future__ import annotations

import sys
from typing import NoReturn

from unillmrec.cli.exit_codes import INTERRUPTED, UNWRITABLE, WRONG_USAGE
from unillmrec.errors import UnillmrecError


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; print our own errors, let every other one through.

    Ends with exit code 0 when done, also where whoever read our output has gone, as `head` does;
    2 for wrong usage, 3 for something in the input or the settings or for an output that cannot
    be written, 4 for the endpoint, 5 for a reply that could not be used, 130 when interrupted,
    143 when told to end (SIGTERM) and 129 when the terminal is gone (SIGHUP).
    """
    from unillmrec.cli.shutdown import Ended, fill_closed_streams, orderly_end, output_failure

    fill_closed_streams()
    if failure := output_failure():
        _end_unheard(failure)
    _never_fail_on_a_letter()
    try:
        with orderly_end():
            _run(arguments)
    except Ended as error:
        print(f"Ended by {error}.", file=sys.stderr)
        _leave(error.exit_code, error)
    except OSError as error:
        # Only what befell our own output is told, and it will again; others are bugs of ours.
        failure = output_failure("\n")
        if failure is None:
            raise
        _end_unheard(failure, error)


def _run(arguments: list[str] | None) -> None:
    from typer import TyperException

    from unillmrec.cli.application import commands
    from unillmrec.cli.help import Interrupted, ReaderGone
    from unillmrec.cli.shutdown import silence_output

    try:
        code = commands().main(args=arguments, prog_name="unillmrec", standalone_mode=False)
        sys.stdout.flush()
    except UnillmrecError as error:
        _end(str(error), error.exit_code, error)
    except TyperException as error:
        _end_by_usage(error)
    except (Interrupted, KeyboardInterrupt) as error:
        print("Interrupted.", file=sys.stderr)
        _leave(INTERRUPTED, error)
    except (ReaderGone, BrokenPipeError):
        # Whoever read our output has seen enough, as `head` does.
        silence_output()
    else:
        if code:
            raise SystemExit(code)


def _leave(code: int, error: BaseException | None) -> NoReturn:
    """End with *code*, and with nothing waiting that the interpreter could not write."""
    from unillmrec.cli.shutdown import output_failure, silence_output

    if output_failure():
        silence_output()
    raise SystemExit(code) from error


def _end_unheard(failure: str, error: OSError | None = None) -> NoReturn:
    from unillmrec.cli.shared.output import print_error

    print_error(f"standard output cannot be written: {failure}.")
    _leave(UNWRITABLE, error)


def _end(told: str, code: int, error: Exception) -> NoReturn:
    from unillmrec.cli.shared.output import print_error

    print_error(told)
    _leave(code, error)


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
