"""`nmctl shell`: which daemon, and where the lines come from."""

import os
import sys

from nm.shell import importing
from nm.shell import session as sessions
from nm.shell.failures import UNREACHABLE, Failure
from nm.shell.session import Session
from nm.shell.spl.interpreter import Interpreter
from nm.shell.table import Command, Options


def run(session: Session, _command: Command, options: Options) -> int:
    """Carry out the commands of -c, the lines of stdin, or what somebody types."""
    if options.daemon:
        session = _named(options.daemon, session)
    try:
        if options.command:
            lines = _lines(options.command)
            return Interpreter(session).script(lines, options.keep_going, numbered=len(lines) > 1)
        if not (sys.stdin.isatty() and session.output.stdout.isatty()):
            return Interpreter(session).script(sys.stdin, options.keep_going)
        return _at_a_keyboard(session)
    finally:
        session.close()


def _lines(commands: list[str]) -> list[str]:
    return [line for command in commands for line in command.splitlines()]


def _named(address: str, session: Session) -> Session:
    """The same session with the daemon of that address."""
    choice = sessions.choose_address(address, None, {})
    return Session(choice, session.output, session.clock, session.timeout)


def _at_a_keyboard(session: Session) -> int:
    from nm.shell.spl.prompt import Editor, converse, history_path

    session = _reached(session)
    shell = Interpreter(session)
    try:
        if importing.is_empty(session):
            _offer_import(shell)
        return converse(shell, Editor(shell, history_path(os.environ)))
    finally:
        session.close()


def _reached(session: Session) -> Session:
    """A session whose daemon answers. Who named none, and has none here, is asked for one."""
    asking = session.address == sessions.DEFAULT and not os.path.exists(sessions.DEFAULT)
    while True:
        try:
            if asking:
                session = _named(_ask(), session)
            version = session.call("GetVersion")["nm"]
        except Failure as failure:
            if not asking:
                raise
            session.output.failure(failure.message, failure.hint)
            continue
        session.output.note(f"nm {version}; `help` lists the commands, Tab completes, `exit` leaves")
        return session


def _offer_import(shell: Interpreter) -> None:
    """A new database is asked for its files, as SPL's was."""
    try:
        answer = input("nothing is recorded yet; files or folder to import (Enter: none): ").strip()
    except (EOFError, KeyboardInterrupt):
        answer = ""
        shell.session.output.say("")
    if answer:
        shell.attempt(f"import {answer}")


def _ask() -> str:
    """The address that somebody types."""
    labs = [f"{sessions.LABS}/{lab}/api.sock" for lab in sessions.running_labs()]
    about = f" (labs here: {', '.join(labs)})" if labs else ""
    try:
        while not (address := input(f"address of the daemon{about}: ").strip()):
            pass
    except EOFError:
        raise SystemExit(UNREACHABLE) from None
    return address
