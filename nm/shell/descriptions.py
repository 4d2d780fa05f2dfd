"""The commands for descriptions as texts. The compiler is loaded when it is asked for.

They need no daemon, but for `import --source`.

What a description includes is looked for here, as the language says: from the folder in which one is, never
from that of the including file; and in nm's library.
"""

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nm.counted import counted
from nm.shell.failures import (
    CONFLICT,
    CONFLICT_CODE,
    GENERAL,
    INVALID_CODE,
    MISSING_CODE,
    NOT_FOUND,
    OK,
    USAGE,
    Failure,
    Usage,
)
from nm.shell.output import Block, Line, Table, clean
from nm.shell.replacing import replace
from nm.shell.run import show_answer
from nm.shell.session import Session
from nm.shell.table import Arg, Command, Options, Scene, option, word

if TYPE_CHECKING:
    from nm.descriptions.compiler import Description
    from nm.descriptions.components import Piece
    from nm.descriptions.problems import Flawed, Problem
    from nm.descriptions.surroundings import Surroundings
    from nm.pools.checking import Finding
    from nm.pools.existing import Existing

PHASES = ("raw", "type", "place", "function", "sfConfig", "link", "compile")
FILE = word("file", "the description")
DECIMALS = option("decimals", "what a number as 1.25 is; `reference`: a Float without its last digit",
                  choices=("double", "reference"))  # fmt: skip


def check(session: Session, _command: Command, options: Options) -> int:
    """Tell whether a description holds together, and what it would deploy."""
    from nm.descriptions.problems import Flawed

    try:
        made, told_of = _compiled(options)
    except Flawed as error:
        return refuse(session, error)
    pieces = made.pieces()
    wrong, odd = _judged(pieces, told_of)
    found = [
        {
            "component": ":".join(piece.path),
            "kind": piece.kind,
            "needs": {name: None if path is None else ":".join(path) for name, path in piece.needs.items()},
        }
        for piece in pieces
    ]
    if session.output.json:
        told = [*map(_told, made.warnings), *map(_told_of_part, odd)]
        if wrong:
            _document(session, wrong[0].text, wrong[0].hint, [*map(_told_of_part, wrong)])
        else:
            session.output.document({"ok": True, "result": found, "warnings": told})
        return USAGE if wrong else OK
    warned = [*map(str, made.warnings), *(f"{one.place}{one.words}" for one in odd)]
    tell(session, "\n".join([*(f"warning: {words}" for words in warned), *map(str, wrong)]))
    return USAGE if wrong else show_answer(session, found, _components, options)


def _compiled(options: Options) -> tuple["Description", "Surroundings"]:
    """What the text means, and what it was told. Raises Flawed."""
    from nm.descriptions.compiler import compile as compile_description

    text, files, library = texts_of(options.file)
    terms = _terms(library, options)
    return compile_description(options.file, text, files, **terms), terms["surroundings"]


def _terms(library: Any, options: Options) -> dict[str, Any]:
    """How a text is read here: with what is said instead of what a site tells it, and now."""
    from nm.descriptions.surroundings import Surroundings

    told = Surroundings(dict(options.property or ()), dict(options.environment or ()), time.time())
    return {"library": library, "decimals": options.decimals or "double", "surroundings": told}


def _named_text(text: str) -> tuple[str, str]:
    """NAME=TEXT."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise Usage(f"{text!r} is not NAME=TEXT", "as site.disks=/srv/disks")
    return name, value


def _judged(pieces: Sequence["Piece"], told: "Surroundings") -> tuple[list["Finding"], list["Finding"]]:
    """What is wrong with components, and what is odd."""
    from nm.pools.checking import findings
    from nm.pools.tree import Tree, parts_of

    found = findings(Tree(parts_of(pieces, told), surroundings=told))
    return [one for one in found if one.level == "error"], [one for one in found if one.level != "error"]


def resolve(session: Session, _command: Command, options: Options) -> int:
    """Show a description as it is behind a phase."""
    from nm.descriptions.compiler import behind
    from nm.descriptions.problems import Flawed

    text, files, library = texts_of(options.file)
    try:
        made = behind(options.file, text, options.phase, files, **_terms(library, options))
    except Flawed as error:
        return refuse(session, error)
    if session.output.json:
        session.output.result(_without_bytes(made.plain()))
    else:
        session.output.say(made.text().rstrip("\n"))
    return OK


def layout(session: Session, _command: Command, options: Options) -> int:
    """Show descriptions in canonical layout, write them so, or tell which are not."""
    from nm.descriptions.layout import laid_out
    from nm.descriptions.problems import Flawed

    made = []
    for path in options.files:
        text = _read(path)
        try:
            tidy = laid_out(path, text)
        except Flawed as error:
            return refuse(session, error)
        made.append({"file": path, "changed": tidy != text, "text": tidy})
    changed = [str(item["file"]) for item in made if item["changed"]]
    if options.write:
        for item in made:
            if item["changed"]:
                replace(str(item["file"]), str(item["text"]))
    if session.output.json:
        session.output.result(made)
    elif options.write or options.check:
        said = "laid out" if options.write else "not in canonical layout"
        session.output.show([Line(f"{path}: {said}") for path in changed])
    else:
        session.output.say("".join(str(item["text"]) for item in made).rstrip("\n"))
    return GENERAL if options.check and changed and not options.write else OK


def graph(session: Session, _command: Command, options: Options) -> int:
    """Draw a description's components and what needs what."""
    from nm.descriptions.problems import Flawed
    from nm.pools.tree import Tree, parts_of
    from nm.shell.graph import dot_text, svg

    try:
        made, told = _compiled(options)
    except Flawed as error:
        return refuse(session, error)
    drawn = dot_text(Tree(parts_of(made.pieces(), told), surroundings=told), options.file)
    return _drawn(session, drawn if options.dot else svg(drawn), options)


def _drawn(session: Session, text: str, options: Options) -> int:
    """Write it to the file that is named, else show it."""
    if options.output is not None:
        replace(options.output, text)
    if session.output.json:
        session.output.result({"file": options.output} if options.output is not None else text)
    elif options.output is None:
        session.output.say(text.rstrip("\n"))
    return OK


def import_domains(session: Session, _command: Command, options: Options) -> int:
    """Write a description of libvirt's domains: of what virsh dumpxml says of them, or a host now."""
    from nm.shell.domains import description

    if options.source is None and (options.all or not options.names):
        raise Usage("no file is named", "name files with domains' XML, or say --source HOST")
    if options.source is None:
        return _drawn(session, description([_existing(path) for path in options.names], options.on), options)
    if not options.all and not options.names:
        raise Usage("no domain is named", "name some, or say --all")
    found = _asked_for(session, options.source, [] if options.all else list(options.names))
    return _drawn(session, description(found, options.on or options.source), options)


def _existing(path: str) -> "Existing":
    from nm.errors import Invalid
    from nm.pools.existing import read

    try:
        return read(_read(path), running=True)
    except Invalid as error:
        raise Failure(f"{clean(path)}: {error.message}", error.hint, USAGE, INVALID_CODE) from None


def _asked_for(session: Session, host: str, names: list[str]) -> list["Existing"]:
    """The domains of a host as they are now; of all of them those that no hand of nm's has."""
    from nm.pools.existing import Existing
    from nm.shell import jobs

    title = f"look at the domains of host {host}"
    job = jobs.wait(session, session.call("InspectDomains", host, names), title)
    if failure := jobs.trouble(job, title):
        raise failure
    found = [Existing.of(struct) for struct in job["result"]]
    if missing := sorted(set(names) - {domain.name for domain in found}):
        hint = "see virsh list --all"
        raise Failure(f"host {host} has no domain {', '.join(missing)}", hint, NOT_FOUND, MISSING_CODE)
    free = [domain for domain in found if not domain.nm]
    taken = [domain.name for domain in found if domain.nm]
    if names and taken:
        raise Failure(f"nm has {', '.join(taken)} already", "leave them out", CONFLICT, CONFLICT_CODE)
    if not free:
        raise Failure(
            f"host {host} has no domain that nm has not", "see virsh list --all", NOT_FOUND, MISSING_CODE
        )
    return free


def texts_of(path: str) -> tuple[str, dict[str, str], Any]:
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


def refuse(session: Session, error: "Flawed") -> int:
    """Tell all that is wrong with it."""
    if session.output.json:
        first = error.problems[0]
        _document(session, first.message, first.advice, [_told(problem) for problem in error.problems])
    else:
        tell(session, str(error))
    return USAGE


def _document(session: Session, message: str, hint: str, problems: list[dict[str, Any]]) -> None:
    error = {"code": INVALID_CODE, "message": message, "hint": hint}
    session.output.document({"ok": False, "error": error, "problems": problems})


def _told_of_part(finding: "Finding") -> dict[str, Any]:
    file, line, column = finding.written
    return {"file": file, "line": line, "column": column, "where": ":".join(finding.path) or "sfConfig",
            "message": finding.text, "hint": finding.hint}  # fmt: skip


def _told(problem: "Problem") -> dict[str, Any]:
    line, column = problem.position
    return {"file": problem.file, "line": line, "column": column, "where": problem.where,
            "message": problem.message, "hint": problem.advice}  # fmt: skip


def tell(session: Session, text: str) -> None:
    """Lines on stderr."""
    with session.output.writing():
        for line in text.split("\n") if text else ():
            print(clean(line), file=session.output.stderr)


def _components(found: Sequence[dict[str, Any]], _scene: Scene) -> Sequence[Block]:
    rows = [
        [
            item["component"] or "sfConfig",
            item["kind"] or "-",
            ", ".join(f"{name} -> {_end(path)}" for name, path in item["needs"].items()) or "-",
        ]
        for item in found
    ]
    return [
        Line(f"the description is good: {counted(len(rows), 'component')}"),
        Table(["COMPONENT", "KIND", "NEEDS"], rows),
    ]


def _end(path: str | None) -> str:
    """Where a reference leads; None: to nothing in this description."""
    return "nowhere" if path is None else path or "sfConfig"


def _without_bytes(value: Any) -> Any:
    """JSON has no bytes, and no numbers without end."""
    if isinstance(value, dict):
        return {key: _without_bytes(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_bytes(item) for item in value]
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


OUTPUT = Arg("--output", "the file to write; else it is shown", short="-o", metavar="FILE")

PROPERTY = option("property", "what PROPERTY NAME is here; on a site it is descriptions.properties",
                  repeat=True, parse=_named_text, metavar="NAME=TEXT")  # fmt: skip
ENVIRONMENT = option("environment", "what ENVPROPERTY NAME is here; on a site it is descriptions.environment",
                     repeat=True, parse=_named_text, metavar="NAME=TEXT")  # fmt: skip
TERMS = (DECIMALS, PROPERTY, ENVIRONMENT)

COMMANDS = (
    Command("sf check", "", "check a description; tells what it would deploy", (FILE, *TERMS), run=check,
            epilog="nmctl sf check pool.sf"),
    Command("sf graph", "", "draw a description as SVG: components, and what needs what",
            (FILE, *TERMS, OUTPUT, Arg("--dot", "as text for Graphviz's dot, which draws it", flag=True)),
            run=graph, epilog="nmctl sf graph pool.sf -o pool.svg"),
    Command("sf import", "", "describe domains that a host has, or files of what virsh dumpxml writes",
            (word("names", "domains, or without --source files with their XML", count="*", metavar="NAME"),
             Arg("--source", "the host that has them; it is asked", metavar="HOST"),
             Arg("--all", "all that run there and that nm has not", flag=True), OUTPUT,
             option("on", "the host on which they are to be", key="", metavar="HOST")),
            run=import_domains, uses=("InspectDomains",),
            epilog="nmctl sf import --source h1 web db -o pool.sf"),
    Command("sf fmt", "", "show descriptions in canonical layout, or write them so",
            (word("files", "the descriptions", count="+", metavar="FILE"),
             Arg("--write", "replace the files that are not laid out so", flag=True),
             Arg("--check", "only tell which are not; exit status 1 when there are some", flag=True)),
            run=layout, epilog="nmctl sf fmt --write pool.sf"),
    Command("sf resolve", "", "show a description resolved, or as it is behind a phase",
            (FILE, *TERMS,
             option("phase", "the last phase to go through", choices=PHASES, default=PHASES[-1])),
            run=resolve, epilog="nmctl sf resolve pool.sf --phase type"),
)  # fmt: skip
