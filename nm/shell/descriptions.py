"""The commands for descriptions that need no daemon. The compiler is loaded when it is asked for.

What a description includes is looked for here, as the language says: from the folder in which one is, never
from that of the including file; and in nm's library.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nm.counted import counted
from nm.shell.failures import NOT_FOUND, OK, USAGE, Failure
from nm.shell.output import Block, Line, Table, clean
from nm.shell.run import show_answer
from nm.shell.session import Session
from nm.shell.table import Command, Options, Scene, option, word

if TYPE_CHECKING:
    from nm.descriptions.problems import Flawed

INVALID_CODE, MISSING_CODE = 102, 106
PHASES = ("raw", "type", "place", "function", "sfConfig", "link", "compile")
FILE = word("file", "the description")
DECIMALS = option("decimals", "what a number as 1.25 is; `reference`: a Float without its last digit",
                  choices=("double", "reference"), default="double")  # fmt: skip


def check(session: Session, _command: Command, options: Options) -> int:
    """Tell whether a description holds together, and what it would deploy."""
    from nm.descriptions.compiler import compile as compile_description
    from nm.descriptions.problems import Flawed

    text, files, library = _texts(options.file)
    try:
        made = compile_description(options.file, text, files, library=library, decimals=options.decimals)
    except Flawed as error:
        return _refuse(session, error)
    found = [
        {
            "component": ":".join(piece.path),
            "kind": piece.kind,
            "needs": {name: None if path is None else ":".join(path) for name, path in piece.needs.items()},
        }
        for piece in made.pieces()
    ]
    return show_answer(session, found, _components, options)


def resolve(session: Session, _command: Command, options: Options) -> int:
    """Show a description as it is behind a phase."""
    from nm.descriptions.compiler import compile as compile_description
    from nm.descriptions.compiler import stage
    from nm.descriptions.problems import Flawed

    text, files, library = _texts(options.file)
    if session.output.json and options.phase != PHASES[-1]:
        raise Failure("only what is compiled is shown in JSON", "leave --phase out, or --json", USAGE)
    try:
        if session.output.json:
            made = compile_description(options.file, text, files, library=library, decimals=options.decimals)
            session.output.result(_without_bytes(made.plain()))
            return OK
        said = stage(options.file, text, options.phase, files, library=library, decimals=options.decimals)
    except Flawed as error:
        return _refuse(session, error)
    session.output.say(said.rstrip("\n"))
    return OK


def _texts(path: str) -> tuple[str, dict[str, str], Any]:
    """The description, what it includes that is here, by their names, and the library."""
    from nm import sflibrary
    from nm.descriptions.reading import included_names

    library = sflibrary.texts()
    text = _read(path)
    files: dict[str, str] = {}
    asked = included_names(text)
    while asked:
        name = asked.pop()
        if name in files:
            continue
        try:
            files[name] = _read(name)
        except Failure as failure:
            if failure.status != NOT_FOUND:
                raise
            continue  # it is in the library, or the compiler tells where it is wanted
        asked += included_names(files[name])
    return text, files, library


def _read(path: str) -> str:
    from nm.descriptions.limits import Limits

    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read(Limits.text + 1)
    except FileNotFoundError:
        raise Failure(
            f"{clean(path)}: no such file", "name the description", NOT_FOUND, MISSING_CODE
        ) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a text in UTF-8"
        raise Failure(f"{clean(path)}: {why}", "a description is a text file", USAGE, INVALID_CODE) from None


def _refuse(session: Session, error: "Flawed") -> int:
    """Tell all that is wrong with it."""
    if session.output.json:
        told = [
            {"file": p.file, "line": p.position[0], "column": p.position[1], "where": p.where,
             "message": p.message, "hint": p.advice}
            for p in error.problems
        ]  # fmt: skip
        first = error.problems[0]
        document = {"code": INVALID_CODE, "message": first.message, "hint": first.advice}
        session.output.document({"ok": False, "error": document, "problems": told})
        return USAGE
    with session.output.writing():
        for line in str(error).split("\n"):
            print(clean(line), file=session.output.stderr)
    return USAGE


def _components(found: Sequence[dict[str, Any]], _scene: Scene) -> Sequence[Block]:
    rows = [
        [
            item["component"] or "sfConfig",
            item["kind"] or "-",
            ", ".join(f"{name} -> {path or 'nowhere'}" for name, path in item["needs"].items()) or "-",
        ]
        for item in found
    ]
    return [
        Line(f"the description is good: {counted(len(rows), 'component')}"),
        Table(["COMPONENT", "KIND", "NEEDS"], rows),
    ]


def _without_bytes(value: Any) -> Any:
    """JSON has no bytes, and no numbers without end."""
    if isinstance(value, dict):
        return {key: _without_bytes(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_bytes(item) for item in value]
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


COMMANDS = (
    Command("sf check", "", "check a description; tells what it would deploy", (FILE, DECIMALS), run=check,
            epilog="nmctl sf check pool.sf"),
    Command("sf resolve", "", "show a description resolved, or as it is behind a phase",
            (FILE, DECIMALS,
             option("phase", "the last phase to go through", choices=PHASES, default=PHASES[-1])),
            run=resolve, epilog="nmctl sf resolve pool.sf --phase type"),
)  # fmt: skip
