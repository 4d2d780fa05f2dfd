"""The commands that need no daemon: a database's files, and the lab. The tools are loaded when asked for."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from nm.counted import counted
from nm.shell import columns
from nm.shell.failures import DENIED, DEVICE, GENERAL, OK, STATUS_OF_FAULT, Failure
from nm.shell.output import Block, Line, Table
from nm.shell.run import show_answer
from nm.shell.session import Session
from nm.shell.table import Arg, Command, Options, Scene, word

FOLDER = word("folder", "the database's folder")
PLACE = word("folder", "the database's folder, or a backup's file")
NEXT = "start nmd; ports of no group are unverified until reset or adopted"


@contextmanager
def explained() -> Iterator[None]:
    """Turns the tools' errors, and the system's about files, into nmctl's."""
    from nm.errors import NMError

    try:
        yield
    except NMError as error:
        status = STATUS_OF_FAULT.get(error.code, GENERAL)
        raise Failure(error.message, error.hint, status, error.code) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        hint = "are you root?" if isinstance(error, PermissionError) else "look at that file and its folder"
        status = DENIED if isinstance(error, PermissionError) else DEVICE
        raise Failure(f"{where}{error.strerror or error}", hint, status) from None


def check(session: Session, _command: Command, options: Options) -> int:
    """Check a database's files; they are not changed."""
    from nm import database_tools

    with explained():
        report = database_tools.check(options.folder)
    if report.problems:
        hint = "`nmctl database restore` puts a backup, or database.pickle.previous, in its place"
        raise Failure(f"damaged: {'; '.join(report.problems)}", hint, DEVICE, 107)
    answer = {
        "folder": str(report.folder),
        "revision": report.revision,
        "written": report.head.written if report.head else None,
        "torn": report.torn,
        "sizes": report.sizes,
        "counts": report.counts,
    }
    return show_answer(session, answer, _checked, options)


def _checked(answer: dict[str, Any], scene: Scene) -> Sequence[Block]:
    torn = answer["torn"]
    note = (
        f"{counted(torn, 'byte')} of an unanswered change at the end; the next start cuts them off"
        if torn
        else "no"
    )
    known = ("folder", "revision", "written")
    return [
        Line("the database is good"),
        columns.fields({**{name: answer[name] for name in known}, "torn": note}, scene.now),
        Table(["FILE", "BYTES"], [[name, str(size)] for name, size in answer["sizes"].items()]),
        Table(
            ["KIND", "RECORDS"], [[kind, str(n)] for kind, n in answer["counts"].items()], empty="no records"
        ),
    ]


def show(session: Session, _command: Command, options: Options) -> int:
    """Show a database's records, without secrets."""
    from nm import database_tools

    with explained():
        records = [_without_secrets(record) for record in database_tools.dump(options.folder, options.kind)]
    return show_answer(session, records, _records, options)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_secrets(item) for key, item in value.items() if key != "secrets"}
    return [_without_secrets(item) for item in value] if isinstance(value, list) else value


def _records(records: Sequence[dict[str, Any]], _scene: Scene) -> Sequence[Block]:
    rows = [
        [
            record["record_key"],
            columns.text({key: value for key, value in record.items() if key != "record_key"}),
        ]
        for record in records
    ]
    return [Table(["RECORD", "FIELDS"], rows, empty="no records")]


def restore(session: Session, _command: Command, options: Options) -> int:
    """Put a backup in the place of a database; no daemon may have it open."""
    from nm import database_tools

    with explained():
        head = database_tools.restore(options.folder, options.file)
    if session.output.json:
        session.output.result({"revision": head.revision, "written": head.written})
    elif not session.output.quiet:
        session.output.show([Line(f"{options.folder} is as {options.file} has it, revision {head.revision}")])
        session.output.note(NEXT)
    return OK


def lab(words: Sequence[str]) -> int:
    """`nmctl lab ...`: the lab's own command line."""
    from nm import lab as tool

    return tool.run(tool.parse(lab_parser(), words))


def lab_parser() -> argparse.ArgumentParser:
    """The parser of the lab's command line."""
    from nm import lab as tool

    parser = argparse.ArgumentParser(
        prog="nmctl lab", description="a rack on this machine, in namespaces of its own"
    )
    tool.add_arguments(parser)
    return parser


COMMANDS = (
    Command("database check", "", "check a database's files, or a backup; changes nothing", (PLACE,),
            run=check),
    Command("database show", "", "show a database's records, without secrets",
            (word("kind", "only records of that kind", count="?"), FOLDER), run=show),
    Command("database restore", "", "put a backup in the place of a database",
            (FOLDER, Arg("file", "a file that `nmctl backup` wrote")), run=restore),
)  # fmt: skip
