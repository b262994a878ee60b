"""The program ``v2v``: its commands, and the one place where errors become a line and an exit code.

Which codes there are, and when, is in `errors.EXIT_CODES`; docs/json.md shows the table. Signals are `cli.signals`.
"""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn, cast

import typer

import v2vcli
from v2vcli.cli import convert, evaluate, models, segment, train
from v2vcli.cli.events import Events
from v2vcli.cli.ffmpeg_order import FFmpegCommand
from v2vcli.cli.messages import messages
from v2vcli.cli.places import StderrPlace
from v2vcli.cli.signals import Stopped, signals
from v2vcli.cli.streams import open_closed_streams, silence
from v2vcli.errors import EXIT_CODES, ClosedPipe, V2VError
from v2vcli.partfile import discard_all

app = typer.Typer(
    name="v2v",
    help="Turn one video into another with vid2vid: label maps or edges in, a steady video out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="v2v convert drive.mp4 --mode seg2street -o out.mp4\n\n[bold]Exit codes[/bold]\n\n"
    + "\n\n".join(f"{code:>3}  {when}" for code, when in EXIT_CODES.items()),
)
app.command("convert", epilog=convert.EXAMPLES, cls=FFmpegCommand)(convert.convert)
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
    try:
        open_closed_streams()
        signals.install()
        code = run(sys.argv[1:])
    except Stopped as stopped:
        code = stopped.exit_code
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command line; what goes wrong becomes one line on stderr, and with ``--json`` an event.

    Returns:
        The exit code, an entry of `errors.EXIT_CODES`.
    """
    try:
        messages.begin()
        if wants_events(arguments):
            messages.tell(Events(StderrPlace()), silent=True)
        code = _run(arguments)
        signals.finish()
    except Stopped as stopped:  # before the work, or while something else was being told
        signals.finish()
        code = _stopped(stopped)
    discard_all()
    if signals.came is not None and code != 0:
        code = Stopped(signals.came).exit_code  # whatever its sudden end looked like to a library
    if messages.events is not None:
        messages.events.summary(code)
    return code


def _run(arguments: Sequence[str]) -> int:
    try:
        code = app(list(arguments), prog_name="v2v", standalone_mode=False)
        if not _flushed():
            return 1
        return _stopped(Stopped(signal.SIGINT)) if code == _CTRL_C else code if isinstance(code, int) else 0
    except Stopped as stopped:
        return _stopped(stopped)
    except (typer.Abort, KeyboardInterrupt):  # where nobody installed our own answer
        return _stopped(Stopped(signal.SIGINT))
    except (BrokenPipeError, ClosedPipe):
        # whoever read our output has gone; the interpreter must not try to flush the rest at exit
        silence(sys.stdout)
        return 1
    except V2VError as error:
        messages.error(str(error), kind=type(error).__name__, exit_code=error.exit_code)
        return error.exit_code
    except _ClickUsageError as error:
        return _misused(error, arguments)
    except Exception as error:
        if signals.came is not None:  # some libraries turn what a signal raises into errors of their own
            return _stopped(Stopped(signals.came))
        hint = "" if messages.shows("debug") else "; this is a bug: -v debug shows where"
        messages.error(f"{type(error).__name__}: {error}{hint}", kind=type(error).__name__)
        return 1


def wants_events(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for events on stderr: known before it is read, as it may be wrong."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options and next((word for word in arguments if not word.startswith("-")), "") == "convert"


def _stopped(stopped: Stopped) -> int:
    kind = type(stopped).__name__
    if messages.events is not None:
        messages.events.error(kind, str(stopped), stopped.exit_code)
    messages.info(f"v2v: {stopped}; no unfinished file is left")
    return stopped.exit_code


def _flushed() -> bool:
    """Whether all that was printed got out; a reader that has gone is a matter for `run`."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        silence(sys.stdout)
        reason = (error.strerror or str(error)).lower()
        messages.error(f"cannot write to stdout: {reason}; send it elsewhere", kind="OutputError")
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
    messages.error(f"{error.format_message().rstrip('.')}; {hint}", kind="UsageError", exit_code=2)
    return 2
