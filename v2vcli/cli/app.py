"""The program ``v2v``: its commands, and the one place where errors become a line and an exit code.

| exit code | when |
|---|---|
| 0 | done |
| 1 | the output could not be written, or something unforeseen |
| 2 | the command line or a recipe is wrong |
| 3 | some of several inputs failed; the others are done |
| 4 | a model is not there or does not fit |
| 5 | an input is not there, damaged, or not what it should be |
| 75 | training was asked to stop and can go on |
| 129, 143, 255 | ended by SIGHUP (the terminal is gone), SIGTERM, Ctrl-C; nothing half-written is left |
"""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, Any, NoReturn, cast

import typer

import v2vcli
from v2vcli.cli import convert, evaluate, models, segment, train
from v2vcli.cli.messages import messages
from v2vcli.cli.streams import open_closed_streams, silence
from v2vcli.errors import V2VError

app = typer.Typer(
    name="v2v",
    help="Turn one video into another with vid2vid: label maps or edges in, a steady video out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="v2v convert drive.mp4 --mode seg2street -o out.mp4\n\n"
    "Exit codes: 0 done, 1 output not written, 2 wrong command line or recipe, 3 some inputs failed, 4 model, 5 input,"
    " 75 training can go on, 129, 143 and 255 stopped.",
)
app.command("convert", epilog=convert.EXAMPLES)(convert.convert)
app.command("segment", epilog=segment.EXAMPLES)(segment.segment)
app.command("train", epilog=train.EXAMPLES)(train.train)
app.command("eval", epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.add_typer(models.app, name="models")

# click's own classes, wherever this version of typer keeps click
_ClickUsageError = cast(type[Exception], typer.BadParameter.__base__)

_CTRL_C = 130  # what typer makes of a KeyboardInterrupt


def _version(wanted: bool) -> None:
    if wanted:
        print(f"v2v {v2vcli.__version__}")
        raise typer.Exit


@app.callback()
def _v2v(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """Run the command line of this process and exit."""
    open_closed_streams()
    signal.signal(signal.SIGTERM, _terminated)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup wants it ignored
        signal.signal(signal.SIGHUP, _terminated)
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command line; what goes wrong becomes one line on stderr.

    Returns:
        The exit code, see the table above.
    """
    messages.set_level("info")
    try:
        code = app(list(arguments), prog_name="v2v", standalone_mode=False)
        if not _flushed():
            return 1
        return _stopped() if code == _CTRL_C else code if isinstance(code, int) else 0
    except V2VError as error:
        messages.error(str(error))
        return error.exit_code
    except _ClickUsageError as error:
        return _misused(error, arguments)
    except (typer.Abort, KeyboardInterrupt):
        return _stopped()
    except BrokenPipeError:
        # whoever read our output has gone; the interpreter must not try to flush the rest at exit
        silence(sys.stdout)
        silence(sys.stderr)
        return 1
    except Exception as error:
        hint = "" if messages.shows("debug") else "; this is a bug: -v debug shows where"
        messages.error(f"{type(error).__name__}: {error}{hint}")
        return 1


def _stopped() -> int:
    messages.info("v2v: stopped; no unfinished file is left")
    return 255


def _flushed() -> bool:
    """Whether all that was printed got out; a reader that has gone is a matter for `run`."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        silence(sys.stdout)
        messages.error(f"cannot write to stdout: {(error.strerror or str(error)).lower()}; send it elsewhere")
        return False
    return True


def _misused(error: Any, arguments: Sequence[str]) -> int:
    """An option click does not know or cannot read: one line, or the help where nothing was given."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return 2
    command = error.ctx.command_path if error.ctx is not None else "v2v"
    hint = f"see `{command} --help`"
    files = [word for word in arguments if re.fullmatch(r"-[^=]*\.[A-Za-z]\w*", word)]
    if files and type(error).__name__ == "NoSuchOption":
        hint = f"if {files[0]} is a file, write ./{files[0]}, or put -- before it"
    messages.error(f"{error.format_message().rstrip('.')}; {hint}")
    return 2


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
