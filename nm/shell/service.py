"""The commands that look at the daemon: jobs, events, versions, help, raw calls, backup."""

import os
import time
from typing import Any

from nm.shell import columns, jobs, times, values
from nm.shell.failures import DEVICE, INTERRUPTED, OK, Usage
from nm.shell.output import Line
from nm.shell.run import show_answer
from nm.shell.session import Session
from nm.shell.table import Arg, Command, Options, option, word

PAGE = 1000  # events that one call asks for
PAUSE = 1.0  # seconds between two looks at the events

TROUBLED = (("group", "GetGroups"), ("switch", "GetSwitches"), ("host", "GetHosts"), ("node", "GetNodes"))
TOLD_TO_ADMINS = (("delegate", "GetDelegates"),)
READ_ONLY = {
    "subject": "database",
    "problem": "it takes no changes, for its disk fails; nmd's log tells more",
}

JOB = Arg("job", "the job's id", int)


def wait_job(session: Session, _command: Command, options: Options) -> int:
    """Wait for a job that is going on."""
    title = str(session.call("GetJob", options.job).get("subject", ""))
    job = jobs.wait(session, options.job, title, options.seconds)
    if failure := jobs.trouble(job, title):
        raise failure
    if session.output.json:
        session.output.result(job)
    else:
        session.output.show([Line(jobs.ended(job, title)), *columns.outcome(job, session.clock())])
    return OK


def events(session: Session, _command: Command, options: Options) -> int:
    """List events; with --follow go on until Ctrl-C, as one line (or JSON document) an event."""
    last = max(0, _newest(session) - options.limit) if options.after is None else options.after
    if not options.follow:
        found = _events_after(session, last, options.limit)
        return show_answer(session, found, columns.listed("events"), options)
    try:
        while True:
            for event in _events_after(session, last, PAGE):
                last = event["id"]
                _tell_event(session, event)
            time.sleep(PAUSE)
    except KeyboardInterrupt:
        return INTERRUPTED


def _events_after(session: Session, after: int, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < limit:
        page = session.call("GetEvents", after, min(PAGE, limit - len(found)))
        found.extend(page)
        if not page or len(page) < PAGE:
            break
        after = page[-1]["id"]
    return found


def _newest(session: Session) -> int:
    """The id of the newest event, found with few calls: double until there is none, then halve."""
    low, high = 0, 1
    while session.call("GetEvents", high, 1):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if session.call("GetEvents", middle, 1) else (low, middle)
    return high


def _tell_event(session: Session, event: dict[str, Any]) -> None:
    if session.output.json:
        session.output.document(event)
        return
    moment = times.clock_time(event["time"])
    words = (str(event.get(name, "")) for name in ("who", "subject", "what", "detail"))
    session.output.show([Line("  ".join((str(event["id"]), moment, *words)).rstrip())])
    session.output.stdout.flush()


def raw(session: Session, _command: Command, options: Options) -> int:
    """Call any method."""
    return show_answer(session, session.call(options.method, *options.arguments), columns.raw, options)


def help_method(session: Session, _command: Command, options: Options) -> int:
    """The documentation of a method, or of all."""
    if options.all == bool(options.method):
        raise Usage("name a method, or say --all", "`nmctl methods` lists them")
    if options.all:
        return show_answer(session, session.call("Help"), columns.detailed, options)
    answer = session.call("system.methodHelp", options.method)
    if options.signature:
        answer = session.call("system.methodSignature", options.method)
    return show_answer(
        session, answer, columns.signatures if options.signature else columns.detailed, options
    )


def health(session: Session, _command: Command, options: Options) -> int:
    """What is in trouble, as far as the caller may see it; the exit status tells whether anything is."""
    admin = "admin" in session.call("WhoAmI")["rights"]
    found = [READ_ONLY] if session.call("GetVersion").get("read_only") else []
    found += [
        {"subject": f"{kind} {struct['name']}", "problem": struct["error"]}
        for kind, method in TROUBLED + (TOLD_TO_ADMINS if admin else ())
        for struct in session.call(method, {})
        if struct.get("error")
    ]
    if admin:
        held = session.call("GetHolds")
        found += [
            {"subject": f"group {end['group']}", "problem": f"its end is held back: {end['reason']}"}
            for end in held
        ]
    show_answer(session, found, columns.listed("problems"), options)
    return DEVICE if found else OK


def backup(session: Session, _command: Command, options: Options) -> int:
    """Let the daemon write a copy of its database; the path is meant from where the caller is."""
    path = os.path.abspath(options.file)
    answer = session.call("Backup", path)
    if session.output.json:
        session.output.result(answer)
    elif not session.output.quiet:
        session.output.show([Line(f"backup written to {path}")])
    return OK


COMMANDS = (
    Command("job show", "GetJob", "show a job", (JOB,), show=columns.job),
    Command("job wait", "WaitJob", "wait for a job and show its progress",
            (JOB, option("seconds", "at most so long", parse=float, local=True)),
            run=wait_job, uses=("GetJob",)),
    Command("events", "GetEvents", "show what happened",
            (option("after", "those with greater ids; without it the newest", parse=int, metavar="ID"),
             option("limit", "at most so many", parse=int, default=50, metavar="N"),
             option("follow", "go on until Ctrl-C", flag=True)), run=events),
    Command("health", "", "show what is in trouble; exit status 7 when anything is", run=health,
            uses=("WhoAmI", "GetVersion", "GetHolds", *(method for _, method in TROUBLED + TOLD_TO_ADMINS))),
    Command("whoami", "WhoAmI", "show whom the daemon takes you for", show=columns.detailed),
    Command("version", "GetVersion", "show the daemon's version", show=columns.detailed),
    Command("methods", "system.listMethods", "list the methods of the API", show=columns.lines),
    Command("help", "system.methodHelp", "explain a command, a method of the API, or all methods",
            (word("method", "the method's name", count="?"),
             option("all", "all methods", flag=True),
             option("signature", "the types of its arguments instead", flag=True)), run=help_method,
            uses=("Help", "system.methodSignature")),
    Command("call", "", "call any method with arguments in JSON",
            (word("method", "the method's name"),
             Arg("arguments", "each as JSON; what is no JSON is text", values.argument, count="*",
                 metavar="JSON")),
            run=raw, epilog="nmctl call GetNodes '{\"free\": true}'"),
    Command("backup", "Backup", "write a copy of the daemon's database to a new file",
            (word("file", "the new file, written by the daemon"),), run=backup),
)  # fmt: skip
