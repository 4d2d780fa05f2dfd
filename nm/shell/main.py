"""The program nmctl: reads the command line, finds the command, runs it, and owns the exit status.

Only what the command line needs is imported here: `nmctl --help` must be there before one can blink.
"""

import argparse
import math
import os
import re
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, NoReturn, TextIO

from nm.shell import guide
from nm.shell.failures import GENERAL, INTERRUPTED, USAGE, Failure, Usage
from nm.shell.output import Output, Unwritable
from nm.shell.run import error_document, run
from nm.shell.session import Session, choose_address
from nm.shell.table import Command, add_arguments


class Parser(argparse.ArgumentParser):
    """Argparse whose refusals are Usage, with the way to help as hint."""

    def __init__(self, *, instead: Iterable[str] = (), **settings: Any) -> None:
        super().__init__(**settings)
        self._instead = instead  # options that make a missing word needless
        # What begins like this is a value, not an option: so `--expires -2d` is refused for what it is.
        self._negative_number_matcher = re.compile(r"-\d")

    def print_help(self, file: Any = None) -> None:
        """Show the help. Argparse's own hides in some versions that it could not be written."""
        (file or sys.stdout).write(self.format_help())

    def error(self, message: str) -> NoReturn:
        """Called by argparse with what is wrong."""
        said = message.replace("the following arguments are required", "missing")
        if said != message:
            said = ", or ".join([said, *self._instead])
        raise Usage(said, f"{self.prog} --help")


def common() -> Parser:
    """The options of every command. They may stand before and after it, so there are no defaults here."""
    parser = Parser(add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    group = parser.add_argument_group("options of every command")
    group.add_argument(
        "--address",
        "--host",
        help="the daemon: a socket's path, unix:///PATH, http://localhost:812 or ssh://ACCOUNT@HOST[:PORT]",
    )
    group.add_argument("--lab", metavar="NAME", help="the daemon of that lab")
    group.add_argument("--identity", "-i", metavar="FILE", help="the private key to use with ssh://")
    group.add_argument("--timeout", type=seconds, metavar="SECONDS", help="wait so long for an answer")
    group.add_argument("--json", action="store_true", help="answer in JSON")
    group.add_argument("--quiet", "-q", action="store_true", help="no remarks")
    return parser


def seconds(text: str) -> float:
    """A span of time that one can wait."""
    with suppress(ValueError):
        if 0 < (value := float(text)) < math.inf:
            return value
    raise Usage(f"--timeout: {text!r} is not a number of seconds", "write for example --timeout 10")


def main(arguments: Sequence[str] | None = None, output: Output | None = None) -> int:
    """Run nmctl with these arguments (the program's own when None); the exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    out = output or Output()
    out.json = "--json" in words[: words.index("--") if "--" in words else None]
    try:
        return _finished(words, out)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read us has left
        _forget(out.stdout)
        return INTERRUPTED
    except Unwritable as error:
        _forget(out.stdout)
        try:
            out.failure(f"the answer could not be written: {error}", "make room, or send it elsewhere")
        except (Unwritable, BrokenPipeError):
            _forget(out.stderr)
        return GENERAL


def _finished(words: list[str], out: Output) -> int:
    """Run nmctl and see to it that all it said is written."""
    try:
        status = _main(words, out)
    except Failure as failure:
        status = _fail(out, failure)
    except SystemExit:  # argparse has shown its help
        out.finish()
        raise
    out.finish()
    return status


def _forget(stream: TextIO) -> None:
    """Let what is left unwritten go nowhere; Python would complain once more when it flushes at the end."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _main(words: list[str], out: Output) -> int:
    top = Parser(prog="nmctl", parents=[common()], add_help=False, allow_abbrev=False)
    top.add_argument("--help", "-h", action="store_true")
    top.add_argument("--version", action="store_true")
    top.add_argument("words", nargs=argparse.REMAINDER)
    options = top.parse_args(words)
    if options.version:
        import nm

        out.say(f"nmctl {nm.__version__}")
        return 0
    if options.help or not options.words:
        with out.writing():
            print(guide.overview(), file=out.stdout if options.help else out.stderr)
        return 0 if options.help else USAGE
    if options.words[0] == "help" and (asked := guide.commands_asked(options.words[1:])) is not None:
        return _main([*asked, "--help"], out)
    if options.words[0] == "lab":
        from nm.shell import offline

        return offline.lab(options.words[1:])
    command, rest = guide.find(guide.verb_first(options.words, _taking(common())))
    if command is None:
        out.say(guide.noun(options.words[0]))
        return 0
    return _run(command, rest, options, out)


def _taking(parser: argparse.ArgumentParser) -> set[str]:
    """The options of that parser that are followed by a value."""
    return {name for action in parser._actions if action.nargs != 0 for name in action.option_strings}


def _run(command: Command, rest: list[str], options: argparse.Namespace, out: Output) -> int:
    parser = parser_of(command, time.time())
    del options.words, options.help, options.version
    with out.writing():  # argparse writes help by itself
        options = parser.parse_intermixed_args(rest, options)
    out.json = "json" in options
    out.quiet = "quiet" in options
    choice = choose_address(getattr(options, "address", None), getattr(options, "lab", None), os.environ)
    session = Session(
        choice, out, timeout=getattr(options, "timeout", None), identity=getattr(options, "identity", None)
    )
    try:
        return run(session, command, options)
    finally:
        session.close()


def parser_of(command: Command, now: float) -> Parser:
    """The parser of a command's own line; `now` is what times such as +2d count from."""
    parser = Parser(
        prog=f"nmctl {command.words}",
        parents=[common()],
        description=command.help,
        epilog=command.epilog and f"as: {command.epilog}",
        allow_abbrev=False,
        instead=guide.ELSEWHERE.get(command.words, ()),
        conflict_handler="resolve",  # a head node has a --host of its own; the daemon's stands before it
    )
    add_arguments(parser, command.arguments, now)
    return parser


def _fail(out: Output, failure: Failure) -> int:
    if out.json:
        out.document({"ok": False, "error": error_document(failure)})
    else:
        out.finish()
        out.failure(failure.message, failure.hint)
    return failure.status


if __name__ == "__main__":
    sys.exit(main())
