"""The commands for whole sites: import files, all of them or nothing, and export the same again.

`bring_in` is the import itself, for the command and for whoever finds that the database `is_empty`.
"""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nm.counted import counted
from nm.shell import jobs, wording
from nm.shell.failures import CONFLICT, CONFLICT_CODE, GENERAL, INVALID_CODE, OK, USAGE, Failure, Usage
from nm.shell.output import Line, clean
from nm.shell.replacing import replace
from nm.shell.session import Session
from nm.shell.table import DRY_RUN, Arg, Command, Options, option, word

if TYPE_CHECKING:
    from nm.site import Loaded, Problem

SHOWN = 12  # names in one line
LARGEST = (1 << 20) - 1024  # bytes of a site in a request, which has 1 MiB
NOUNS = {"headnode": "head node", "vlan": "VLAN", "account": "account with rights"}
PLURALS = {"switch": "switches", "account": "accounts with rights"}

Struct = dict[str, Any]


def bring_in(
    session: Session, paths: Sequence[str], host: str | None = None, sure: bool = False, dry: bool = False
) -> int:
    """Import files and folders: show what is added, ask, add all of it. Returns the exit status.

    `host`: who runs the VMs of SPL's vm.txt. `sure`: do not ask. `dry`: show only.
    """
    from nm.site import BadFiles, load

    try:
        loaded = load(paths, host)
    except BadFiles as error:
        return _refuse(session, error.problems, INVALID_CODE)
    text = loaded.text()
    _check_size(text)
    told = session.call("CheckImport", text)
    if told["problems"]:
        conflicts = all(problem["code"] == CONFLICT_CODE for problem in told["problems"])
        code = CONFLICT_CODE if conflicts else INVALID_CODE
        return _refuse(session, _placed(loaded, told["problems"]), code)
    _show(session, [*loaded.notices, *told["notices"]], told)
    if dry or not told["add"]:
        return _end(session, told)
    if not sure:
        _ask(session, len(told["add"]))
    number = session.call("Import", text)
    job = jobs.wait(session, number, "import")
    if failure := jobs.trouble(job, "import"):
        raise failure
    if not session.output.json and not session.output.quiet:
        session.output.show([Line(f"imported: {counted(len(told['add']), 'thing')}")])
    return _end(session, told)


def is_empty(session: Session) -> bool:
    """Whether the daemon knows nothing yet, so that an import is what one wants."""
    return not any(session.call(method, {}) for method in ("GetSwitches", "GetHosts", "GetVlans", "GetNodes"))


def _check_size(text: str) -> None:
    """Failure when the daemon would not take a request with that text."""
    import html

    if (size := len(html.escape(text, quote=False).encode())) > LARGEST:
        hint = "import it in several files: switches, ports and hosts first, groups last"
        raise Failure(f"the site is {size} bytes as it is sent, {LARGEST} are the most", hint, USAGE)


def _placed(loaded: "Loaded", problems: Sequence[Struct]) -> list["Problem"]:
    """What the daemon refuses, where it stands in the files."""
    from nm.site import Problem

    return [
        Problem(loaded.where(problem["path"]), problem["message"], wording.spoken(problem["hint"]))
        for problem in problems
    ]


def _refuse(session: Session, problems: Sequence["Problem"], code: int) -> int:
    """Tell all that is wrong; nothing was changed."""
    status = CONFLICT if code == CONFLICT_CODE else USAGE
    if session.output.json:
        told = [{**vars(p.origin), "message": p.message, "hint": p.hint} for p in problems]
        error = {"code": code, "message": str(problems[0]), "hint": "nothing was imported"}
        session.output.document({"ok": False, "error": error, "problems": told})
        return status
    with session.output.writing():
        for problem in problems:
            print(clean(str(problem)), file=session.output.stderr)
    session.output.note("nothing was imported")
    return status


def _show(session: Session, notices: Sequence[str], told: Struct) -> None:
    for notice in notices:
        session.output.note(f"note: {wording.spoken(notice)}")
    if session.output.json:
        return
    kinds: dict[str, list[str]] = {}
    for thing in told["add"]:
        kinds.setdefault(thing["kind"], []).append(thing["name"])
    lines = [
        Line(f"+ {counted(len(names), NOUNS.get(kind, kind), PLURALS.get(kind, ''))}: {_some(names)}")
        for kind, names in kinds.items()
    ]
    there = f", {told['same']} there already, and the same" if told["same"] else ""
    session.output.show([*lines, Line(f"{len(told['add'])} to add{there}")])


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


def _ask(session: Session, count: int) -> None:
    """Usage where nobody can be asked; a Failure when the answer is no."""
    if session.output.json or not sys.stdin.isatty():
        raise Usage("nobody is there to be asked", "say --yes to import, or --dry-run to look only")
    answer = input(f"Add {counted(count, 'thing')}? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        raise Failure("nothing was imported", "", GENERAL)


def _end(session: Session, told: Struct) -> int:
    if session.output.json:
        session.output.result({key: told[key] for key in ("add", "same", "notices")})
    return OK


def import_site(session: Session, _command: Command, options: Options) -> int:
    """Import what the command line names."""
    return bring_in(session, options.paths, options.vmhost, options.yes, options.dry_run)


def export_site(session: Session, _command: Command, options: Options) -> int:
    """Write the site to a file, or show it."""
    from nm.site import to_json, to_toml

    site = json.loads(session.call("Export"))
    as_json = session.output.json if options.file is None else options.file.endswith(".json")
    if options.file is not None:
        replace(options.file, to_json(site) if as_json else to_toml(site))
        if session.output.json:
            session.output.result(1)
        elif not session.output.quiet:
            session.output.show([Line(f"site written to {options.file}")])
    elif as_json:
        session.output.result(site)
    else:
        session.output.say(to_toml(site).rstrip("\n"))
    return OK


COMMANDS = (
    Command("import", "Import", "take in a site from files: all of it, or nothing",
            (word("paths", "site.toml, site.json, SPL's files, or folders of them", count="+",
                  metavar="FILE"),
             option("vmhost", "the host that runs the VMs of SPL's vm.txt; else `local`, out of service",
                    local=True),
             Arg("--yes", "do not ask", flag=True, local=True), DRY_RUN),
            run=import_site, uses=("CheckImport",)),
    Command("export", "Export", "write everything that is registered as a site file",
            (word("file", "the file, .toml or .json; shown when left out", count="?"),), run=export_site,
            epilog="nmctl export site.toml"),
)  # fmt: skip
