"""The commands for descriptions that are deployed: planned, applied, looked at, changed and taken down.

What a description includes is read here and sent along. `start` and `run` are SmartFrog's own words.
"""

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from nm.shell import columns, jobs, literals
from nm.shell.descriptions import DECIMALS, FILE, tell, texts_of
from nm.shell.failures import DENIED, DEVICE, GENERAL, MISSING_CODE, NOT_FOUND, OK, USAGE, Failure, Usage
from nm.shell.output import Block, Line
from nm.shell.plan import TO_DO
from nm.shell.run import run_calls, show_answer, show_job, wait_for
from nm.shell.session import Session
from nm.shell.table import FILTER, WAIT, Arg, Command, Options, Scene, names, option, parameters, word

LARGEST = (1 << 20) - 1024  # bytes of texts in a request, which has 1 MiB
STYLES = {"create": "green", "adopt": "green", "change": "yellow", "restart": "yellow", "replace": "yellow",
          "destroy": "red"}  # fmt: skip
WORDS = {"create": "to create", "adopt": "to adopt", "change": "to change", "restart": "to restart",
         "replace": "to replace", "destroy": "to destroy", "later": "to make later"}  # fmt: skip
NOTHING = "nothing to do: what is described is what is deployed"
HERE = ("localhost", "127.0.0.1", "::1", "")
SFCONFIG = "sfConfig"

Struct = Mapping[str, Any]


# ---- planned and applied


def plan(session: Session, _command: Command, options: Options) -> int:
    """Tell what applying a description would do; exit status 2 when that is something."""
    found = _planned(session, options, _described(options.file), _options(options))
    if session.output.json:
        session.output.result(found)
    else:
        session.output.show(_plan(found, options))
    return TO_DO if found["changes"] else OK


def diff(session: Session, _command: Command, options: Options) -> int:
    """Tell in which attributes a description differs from what is deployed; exit status 2 when it does."""
    found = _planned(session, options, _described(options.file), _options(options))
    if session.output.json:
        session.output.result(found["changes"])
    else:
        session.output.show(_changes(found["lines"]) or [Line(NOTHING)])
    return TO_DO if found["changes"] else OK


def apply(session: Session, command: Command, options: Options) -> int:
    """Deploy a description when somebody has seen the plan and says so; or tell that nothing is to do."""
    described, chosen = _described(options.file), _options(options)
    if options.wait:
        _idle(session, options.name)
    given = "if_plan" in chosen
    found = _planned(session, options, described, chosen) if options.adopt or not given else {}
    if not given:
        if not session.output.json:
            session.output.show(_plan(found, options))
        if not found["changes"]:
            if session.output.json:
                session.output.result(None)
            return OK
        if not options.yes:
            _ask(session, f"Do that to {options.name}?")
        chosen["if_plan"] = found["hash"]
    return _started(
        session, command, options, _asked(session, options, "ApplyDescription", *described, chosen)
    )


def update(session: Session, command: Command, options: Options) -> int:
    """The same of what is deployed already."""
    if not session.call("GetDescriptions", {"name": options.name}):
        raise Failure(
            f"no description {options.name} is deployed",
            "nmctl sf apply deploys a new one",
            NOT_FOUND,
            MISSING_CODE,
        )
    return apply(session, command, options)


def start(session: Session, command: Command, options: Options) -> int:
    """Deploy as sfStart does: at once, with what names no host on that host, and wait for it."""
    options.on = "localhost" if options.machine.lower() in HERE else options.machine
    return _at_once(session, command, options)


def run(session: Session, command: Command, options: Options) -> int:
    """Deploy as sfRun does: under the name of the file."""
    options.name = PurePath(options.file).stem
    return _at_once(session, command, options)


def _at_once(session: Session, command: Command, options: Options) -> int:
    """Deploy without a plan."""
    _idle(session, options.name)
    chosen = _options(options)
    number = _asked(session, options, "ApplyDescription", *_described(options.file), chosen)
    return _waited(session, command, options, number)


def stop(session: Session, command: Command, options: Options) -> int:
    """Take down as sfTerminate does: the host does not matter, for one daemon has them all."""
    return _waited(session, command, options, session.call("TerminateDescription", options.name))


def _idle(session: Session, name: str) -> None:
    """Wait until nothing is at a description any more: one thing is done to it at a time."""
    while (found := session.call("GetDescriptions", {"name": name})) and found[0]["job"] is not None:
        number = found[0]["job"]
        jobs.wait(session, number, f"{name} is {found[0]['state']} (job {number})")


def _asked(session: Session, options: Options, method: str, *arguments: Any) -> Any:
    """Call a method that may tell much of what is wrong: a line each, as they were told."""
    try:
        return session.call(method, options.name, *arguments)
    except Failure as failure:
        message, hint = _placed(failure.message, options), _placed(failure.hint, options)
        told = "; ".join(filter(None, (message, hint)))
        if "\n" not in told or session.output.json:
            raise Failure(message, hint, failure.status, failure.code) from None
        tell(session, told)
        raise Failure("nothing was done", "", failure.status, failure.code) from None


def _planned(session: Session, options: Options, described: Sequence[Any], chosen: dict[str, Any]) -> Struct:
    """The plan; when it may take what is there, hosts are asked first, which `chosen` says from then on."""
    asked = {name: value for name, value in chosen.items() if name != "if_plan"}
    found: Struct = _asked(session, options, "PlanDescription", *described, asked)
    if not found["ask"]:
        return found
    options.adopt = True  # also where it goes on to, as it was applied before
    chosen["found"] = [number for one in found["ask"] if (number := _looked(session, **one)) is not None]
    return dict(_asked(session, options, "PlanDescription", *described, {**asked, "found": chosen["found"]}))


def _looked(session: Session, host: str, names: Sequence[str]) -> int | None:
    """The job that has looked which of these domains a host has; None when that cannot be told."""
    title = f"look at the domains of host {host}"
    try:
        job = jobs.wait(session, session.call("InspectDomains", host, names), title)
        if failure := jobs.trouble(job, title):
            raise failure
    except Failure as failure:
        if failure.status not in (DENIED, DEVICE):
            raise
        session.output.note(f"what is there on host {host} is not known: {failure.message}")
        return None
    return int(job["id"])


def _placed(told: str, options: Options) -> str:
    """What the daemon tells of NAME.sf, as it calls the text that it was sent, told of the file here."""
    here = re.compile(rf"^{re.escape(options.name)}\.sf(?=:\d)", re.MULTILINE)
    return here.sub(lambda _: str(options.file), told)


def _described(path: str) -> tuple[str, dict[str, str]]:
    """The text and what it includes, as they are sent. Failure when they do not fit into a request."""
    import html

    text, files, _ = texts_of(path)
    size = sum(len(html.escape(one, quote=False).encode()) for one in (text, *files.values()))
    if size > LARGEST:
        hint = "factor out what repeats into prototypes, or make several descriptions of it"
        raise Failure(f"the description is {size} bytes as it is sent, {LARGEST} are the most", hint, USAGE)
    return text, files


def _options(options: Options) -> dict[str, Any]:
    """The options of the call, as far as they are given."""
    found = {name: getattr(options, name, None) for name in ("if_plan", "reference", "adopt", "decimals")}
    found["host"] = getattr(options, "on", None)
    return {name: value for name, value in found.items() if value}


def _ask(session: Session, question: str) -> None:
    """Usage where nobody can be asked; a Failure when the answer is no."""
    if session.output.json or not sys.stdin.isatty():
        raise Usage("nobody is there to be asked", "say --yes, or --if-plan with the hash of a plan")
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise Failure("nothing was done", "", GENERAL)


def _started(session: Session, command: Command, options: Options, number: int) -> int:
    return _waited(session, command, options, number) if options.wait else show_job(session, number)


def _waited(session: Session, command: Command, options: Options, number: int) -> int:
    job = wait_for(session, command, options, number)
    if session.output.json:
        session.output.result(job)
    elif not session.output.quiet:
        session.output.show([Line(jobs.ended(job, command.told(options)))])
    return OK


# ---- plans in words


def _plan(found: Struct, options: Options) -> list[Block]:
    warned = [
        Line(line, "yellow")
        for warning in found["warnings"]
        for line in f"warning: {_placed(warning, options)}".split("\n")
    ]
    refused = [Line(f"it may not be done: {words}", "red") for words in found["refused"]]
    if not found["changes"]:
        return [*warned, Line(NOTHING)]
    counts = Counter(change["action"] for change in found["changes"])
    said = ", ".join(f"{counts[action]} {words}" for action, words in WORDS.items() if counts[action])
    again = f"nmctl sf apply {options.name} {options.file}{_chosen(options)} --if-plan {found['hash']}"
    last = [Line(f"Plan: {said}.", "bold"), Line(f"to do just this: {again}")]
    return [*warned, *_changes(found["lines"]), *refused, *last]


def _chosen(options: Options) -> str:
    """The options that make a plan what it is, as they are given again."""
    given = (("on", options.on), ("decimals", options.decimals))
    said = "".join(f" --{word} {value}" for word, value in given if value)
    flags = ("reference", "adopt")
    return said + "".join(f" --{flag}" for flag in flags if getattr(options, flag))


def _changes(lines: Sequence[str]) -> list[Line]:
    """The lines of a plan, each change in its colour."""
    shown: list[Line] = []
    style = ""
    for line in lines:
        if not line.startswith(" "):
            style = STYLES.get(line.split()[1], "")  # behind the sign
        shown.append(Line(f"  {line}", style))
    return shown


# ---- looked at and changed


def status(session: Session, _command: Command, options: Options) -> int:
    """List descriptions; of one that is named, the tree of its components: exit status 7, it has failed."""
    if options.name is None:
        return show_answer(
            session, session.call("GetDescriptions", {}), columns.listed("descriptions"), options
        )
    found = session.call("GetDescriptions", {"name": options.name})
    within = [options.path] if options.path else []
    components = session.call("GetComponents", options.name, *within)
    about = found[0] if found else {}
    shown = show_answer(session, {**about, "parts": components}, _tree, options)
    return DEVICE if about.get("state") == "failed" else shown


def show(session: Session, _command: Command, options: Options) -> int:
    """The text of a deployed description, or of a file that it includes."""
    found = session.call("GetDescription", options.name)
    if session.output.json:
        session.output.result(found)
        return OK
    if options.file is not None and options.file not in found["files"]:
        names = ", ".join(sorted(found["files"])) or "nothing"
        raise Failure(
            f"{options.name} includes no {options.file}", f"it includes {names}", NOT_FOUND, MISSING_CODE
        )
    text = found["text"] if options.file is None else found["files"][options.file]
    session.output.show([Line(line) for line in text.split("\n")])
    if options.file is None:
        for name in sorted(found["files"]):
            session.output.note(f"it includes {name}")
        for change in found["set"]:
            value = literals.spell(change["value"]) if "value" in change else "(removed)"
            session.output.note(f"set since: {change['path']} {value}")
    return OK


def _tree(answer: Struct, scene: Scene) -> Sequence[Block]:
    lines = [Line(f"{answer['name']}: {answer['state']}", "bold")]
    for one in answer["consoles"]:
        way = f"nmctl sf console {answer['name']} {one['path']}"
        looking = "" if one["editable"] else ", for looking only"
        lines.append(Line(f"  console {one['title']}: of {one['root']}{looking}; {way}"))
    if answer["error"]:
        lines.append(Line(f"  {answer['error']}", "red"))
    first = answer["parts"][0]["path"].count(":") if answer["parts"] else 0
    for part in answer["parts"]:
        depth = 0 if part["path"] == SFCONFIG else part["path"].count(":") + 1 - first
        lines += _part(part, "  " * (depth + 1), scene.options.attributes)
    return lines


def _part(part: Struct, indent: str, attributes: bool) -> list[Line]:
    place = f" on {part['host']}" if part["host"] else ""
    doing = f", {part['doing']} is under way" if part["doing"] else ""
    state = "red" if part["going"] == "abnormal" else "green" if part["state"] == "running" else ""
    name = part["path"].rpartition(":")[2]
    lines = [Line(f"{indent}{name} ({part['kind']}){place}: {part['state']}{doing}", state)]
    follows = bool(part["end"]) and part["end"]["id"] != part["path"]
    notes = {key: text for key, text in part["notes"].items() if key != "words" or not follows}
    lines += [Line(f"{indent}    {key}: {text}", "yellow") for key, text in notes.items()]
    if follows:  # that one says why
        lines.append(Line(f"{indent}    {_end(part['end'])}", "yellow"))
    if attributes:
        for key, value in part["attributes"].items():
            begun = f"; it was started {_with(part['begun'][key])}" if key in part["begun"] else ""
            lines.append(Line(f"{indent}    {key} {literals.spell(value)}  ({part['effects'][key]}{begun})"))
    return lines


def _end(end: Struct) -> str:
    """Why it goes, when that is because of another one."""
    return f"it goes with {end['id']}" + (f": {end['cause']}" if end["cause"] else "")


def _with(begun: Any) -> str:
    return "without it" if begun is None else f"with {literals.spell(begun)}"


def console(session: Session, _command: Command, options: Options) -> int:
    """The same live, and changed."""
    from nm.shell import console

    return console.console(session, options)


def change(session: Session, command: Command, options: Options) -> int:
    """Set an attribute or remove it; told first is when that counts."""
    [(_, given)] = parameters(command, options)
    told = session.call("DryRun", command.method, list(given))
    session.output.note(f"{command.told(options)}: {'; '.join(told['remarks'])}")
    return run_calls(session, command, options)


NAME = word("name", "the description's name where it is deployed")
ON = option("on", "the host on which those are made that name none", key="", metavar="HOST")
STRICT = option("reference", "refuse updates that SmartFrog would refuse", flag=True)
ADOPT = option("adopt", "take domains as they are that are there already and that nm has not", flag=True)
PLANNED = option("if-plan", "do just that plan, by its hash; nobody is asked", metavar="HASH")
YES = Arg("--yes", "do not ask", flag=True)
FORCED = Arg("--force", "what cannot be taken away now is left, and taken away later", flag=True,
             spare=True)  # fmt: skip
ATTRIBUTE = word("path", "the component's path and the attribute, as a:b:memory")
VALUE = word("value", 'as in a description: 5, 1.5, true, NULL, ["a", 5], "text"; else a string',
             parse=literals.read)  # fmt: skip
MACHINE = word("machine", "the host on which those are made that name none; localhost: nmd's own",
               metavar="HOST")  # fmt: skip

COMMANDS = (
    Command("sf plan", "", "tell what applying a description would do; exit status 2: something",
            (NAME, FILE, ON, STRICT, ADOPT, DECIMALS), run=plan, uses=("PlanDescription",),
            epilog="nmctl sf plan web pool.sf"),
    Command("sf diff", "", "tell in what a description differs from what is deployed; exit status 2: it does",
            (NAME, FILE, ON, STRICT, ADOPT, DECIMALS), run=diff, uses=("PlanDescription",),
            epilog="nmctl sf diff web pool.sf"),
    Command("sf apply", "", "deploy a description, or change what is deployed into it",
            (NAME, FILE, ON, STRICT, ADOPT, DECIMALS, PLANNED, YES, WAIT), run=apply, say="apply {name}",
            uses=("ApplyDescription", "PlanDescription"), epilog="nmctl sf apply web pool.sf --yes --wait"),
    Command("sf update", "", "the same, of one that is deployed already",
            (NAME, FILE, ON, STRICT, ADOPT, DECIMALS, PLANNED, YES, WAIT), run=update, say="update {name}",
            uses=("ApplyDescription", "PlanDescription", "GetDescriptions"),
            epilog="nmctl sf update web pool.sf --wait"),
    Command("sf status", "", "list deployed descriptions; of one, its components and how they stand",
            (word("name", "one description", count="?"), word("path", "only that component", count="?"),
             Arg("--attributes", "with attributes, and when a change of each takes effect", flag=True)),
            run=status, uses=("GetDescriptions", "GetComponents"), epilog="nmctl sf status web"),
    Command("sf show", "", "the text of a deployed description, as it was applied",
            (NAME, word("file", "a file that it includes", count="?")), run=show, uses=("GetDescription",),
            epilog="nmctl sf show web"),
    Command("sf console", "", "show one live on the terminal; attributes can be changed, added and deleted",
            (NAME, word("path", "only that component, or what that console of it shows", count="?")),
            run=console, uses=("GetComponentTree", "DryRun", "GetJob", "SetAttribute", "RemoveAttribute"),
            epilog="nmctl sf console web host1"),
    Command("sf list", "GetDescriptions", "list deployed descriptions", (FILTER,), struct=True,
            show=columns.listed("descriptions")),
    Command("sf set", "SetAttribute", "set an attribute of a component that runs; nothing is stopped for it",
            (NAME, ATTRIBUTE, VALUE, WAIT), job=True,
            say="set {path} of {name}", run=change, uses=("DryRun",),
            epilog="nmctl sf set web host1:domain2:memory 1024"),
    Command("sf unset", "RemoveAttribute", "remove one: its default counts again", (NAME, ATTRIBUTE, WAIT),
            job=True, say="remove {path} of {name}", run=change, uses=("DryRun",)),
    Command("sf terminate", "TerminateDescription", "take descriptions down, in the reverse order",
            (names("name", "the descriptions' names", each=True), FORCED, WAIT), job=True,
            say="terminate {name}", epilog="nmctl sf terminate web --wait"),
    Command("sf end", "TerminateComponent", "take one component down, and what is around it as it says",
            (NAME, word("path", "the component, as a:b"),
             option("detach", "nothing around it follows", flag=True), WAIT),
            job=True, struct=True, say="take {path} of {name} down",
            epilog="nmctl sf end web host1:domain2 --detach"),
    Command("sf start", "", "deploy as SmartFrog's sfStart does", (MACHINE, NAME, FILE, DECIMALS), run=start,
            say="start {name}", uses=("ApplyDescription",),
            epilog="nmctl sf start localhost web pool.sf"),
    Command("sf stop", "", "take down as SmartFrog's sfTerminate does", (MACHINE, NAME), run=stop,
            say="terminate {name}", uses=("TerminateDescription",),
            epilog="nmctl sf stop localhost web"),
    Command("sf run", "", "deploy as SmartFrog's sfRun does, under the file's name", (FILE, DECIMALS),
            run=run, say="run {name}", uses=("ApplyDescription",), epilog="nmctl sf run pool.sf"),
)  # fmt: skip
