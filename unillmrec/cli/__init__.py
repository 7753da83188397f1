"""The command line. Only `main()` turns errors into text and exit codes."""

from __future__ import annotations

import sys
from typing import NoReturn

from unillmrec.cli.exit_codes import INTERRUPTED, UNWRITABLE, WRONG_USAGE
from unillmrec.errors import UnillmrecError


def main(arguments: list[str] | None = None) -> None:
    """Run the command line. Print errors of this package; let all others through.

    Exit codes: 0 for success, also if the reader of the output closed it, as `head` does; 2 for
    wrong usage; 3 for a problem with the input or the settings, or an output that cannot be
    written; 4 for the endpoint; 5 for replies that could not be used; 130 for an interrupt, 143
    for SIGTERM and 129 for SIGHUP.
    """
    from unillmrec.cli.shutdown import (
        TerminatedBySignal,
        output_failure,
        raise_on_signals,
        reopen_closed_streams,
    )

    reopen_closed_streams()
    if failure := output_failure():
        _exit_unwritable(failure)
    _replace_unprintable_characters()
    try:
        with raise_on_signals():
            _run(arguments)
    except TerminatedBySignal as error:
        print(f"Terminated by {error}.", file=sys.stderr)
        _exit(error.exit_code, error)
    except OSError as error:
        # Other errors are bugs. A failed output fails again, so it can be recognised.
        failure = output_failure("\n")
        if failure is None:
            raise
        _exit_unwritable(failure, error)


def _run(arguments: list[str] | None) -> None:
    from typer import TyperException

    from unillmrec.cli.application import commands
    from unillmrec.cli.help import Interrupted, OutputClosed
    from unillmrec.cli.shutdown import silence_output

    try:
        code = commands().main(args=arguments, prog_name="unillmrec", standalone_mode=False)
        sys.stdout.flush()
    except UnillmrecError as error:
        _exit_with_message(str(error), error.exit_code, error)
    except TyperException as error:
        _exit_wrong_usage(error)
    except (Interrupted, KeyboardInterrupt) as error:
        print("Interrupted.", file=sys.stderr)
        _exit(INTERRUPTED, error)
    except (OutputClosed, BrokenPipeError):
        # The reader of our output closed it, as `head` does.
        silence_output()
    else:
        if code:
            raise SystemExit(code)


def _exit(code: int, error: BaseException | None) -> NoReturn:
    """Exit with *code*; drop buffered output that the interpreter could not write."""
    from unillmrec.cli.shutdown import output_failure, silence_output

    if output_failure():
        silence_output()
    raise SystemExit(code) from error


def _exit_unwritable(failure: str, error: OSError | None = None) -> NoReturn:
    from unillmrec.cli.shared.output import print_error

    print_error(f"standard output cannot be written: {failure}.")
    _exit(UNWRITABLE, error)


def _exit_with_message(message: str, code: int, error: Exception) -> NoReturn:
    from unillmrec.cli.shared.output import print_error

    print_error(message)
    _exit(code, error)


def _exit_wrong_usage(error: Exception) -> None:
    """Print what is wrong with the arguments, and how to get help."""
    context = getattr(error, "ctx", None)
    message = str(getattr(error, "format_message", lambda: error)())
    if type(error).__name__ == "NoArgsIsHelpError":
        # Its message is the help.
        print(message, file=sys.stderr)
        raise SystemExit(WRONG_USAGE) from error
    hint = f"\n  Try: `{context.command_path} --help`" if context else ""
    _exit_with_message(message.replace("Value error, ", "") + hint, WRONG_USAGE, error)


def _replace_unprintable_characters() -> None:
    """Print a question mark for a character that the terminal cannot encode."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
