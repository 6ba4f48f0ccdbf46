"""The `hwcompat` command line: finds the command, maps what it raises to lines and exit codes.

stdout carries only the artefact; everything else is stderr.

Exit codes: 0 an answer was given (a faulty card included); 1 a finding (`--check`, `matrix validate`); 2 usage, or a
value that cannot exist; 3 this machine or the tables cannot serve it; 4 a data file that the user named is unusable;
5 our own bug; 130 Ctrl-C.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

import click

from . import __version__
from .commands._lazy import Commands
from .console import say
from .errors import INTERRUPTED, HwcompatError

BUG = 5


def run(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the documented code; a traceback only with --debug."""
    # Thousands of table rows live to the end of the process: collecting garbage among them finds nothing.
    gc.set_threshold(100_000)
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    try:
        code = main(args=[a for a in arguments if a != "--debug"], prog_name="hwcompat", standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        say("interrupted")
        code = INTERRUPTED
    except BrokenPipeError:
        code = _leave_quietly()
    except HwcompatError as error:
        _complain(error.message, error.hint)
        _trace(debug)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except Exception as error:
        _trace(debug)
        _complain(
            f"hwcompat itself failed: {type(error).__name__}: {error}",
            "this is a bug: run again with --debug and report the traceback",
        )
        code = BUG
    gc.freeze()  # the interpreter's own collections on the way out find nothing either
    sys.exit(code if isinstance(code, int) else 0)


def _trace(debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exc()


def _leave_quietly() -> int:
    """The reader of our stdout has gone (`| head`): nothing more can be said there."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _complain(message: str, hint: str) -> None:
    say(f"error: {message}", *([f"what to do: {hint}"] if hint else []))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hwcompat")
def main() -> None:
    """Is this GPU's arithmetic right, is it fast, and which configuration follows from that."""
