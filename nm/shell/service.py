"""The commands that look at the daemon: jobs, events, versions, help, raw calls, backup."""

import os
from typing import Any

from nm.counted import counted
from nm.shell import columns, jobs, times, values
from nm.shell.failures import DEVICE, OK, Usage
from nm.shell.output import Line
from nm.shell.run import show_answer
from nm.shell.session import Session
from nm.shell.table import Arg, Command, Options, filter_by, option, word
from nm.shell.watch import events, watch

TROUBLED = (
    ("group", "GetGroups"),
    ("switch", "GetSwitches"),
    ("host", "GetHosts"),
    ("node", "GetNodes"),
    ("sliver", "GetSlivers"),
)
TOLD_TO_ADMINS = (("delegate", "GetDelegates"),)
READ_ONLY = {
    "subject": "database",
    "problem": "it takes no changes, for its disk fails; nmd's log tells more",
}

JOB = Arg("job", "the job's id", int)


def running(answer: Any, options: Options) -> Any:
    """The jobs that were asked for."""
    return [job for job in answer if job["state"] not in jobs.OVER] if options.running else answer


def wait_job(session: Session, _command: Command, options: Options) -> int:
    """Wait for a job that is going on."""
    title = jobs.named(str(session.call("GetJob", options.job).get("subject", "")))
    job = jobs.wait(session, options.job, title, options.seconds)
    if failure := jobs.trouble(job, title):
        raise failure
    if session.output.json:
        session.output.result(job)
    else:
        session.output.show([Line(jobs.ended(job, title)), *columns.outcome(job, session.clock())])
    return OK


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
    rights = session.call("WhoAmI")["rights"]
    admin = "admin" in rights
    found = [READ_ONLY] if session.call("GetVersion").get("read_only") else []
    found += [
        {"subject": f"{kind} {struct['name']}", "problem": struct["error"]}
        for kind, method in TROUBLED + (TOLD_TO_ADMINS if admin else ())
        for struct in session.call(method, {})
        if struct.get("error")
    ]
    if admin or "spy" in rights:
        found += _drift(session.call("GetDrift"))
        found += _source(session.call("GetSource"))
    if admin:
        held = session.call("GetHolds")
        found += [
            {"subject": _ending(end), "problem": f"its end is held back: {end['reason']}"} for end in held
        ]
    show_answer(session, found, columns.listed("problems"), options)
    return DEVICE if found else OK


def _ending(hold: dict[str, Any]) -> str:
    return f"sliver {hold['sliver']}" if hold.get("sliver") else f"group {hold['group']}"


def shell(session: Session, command: Command, options: Options) -> int:
    """The prompt spl>, or a script of its commands."""
    from nm.shell.spl import start

    return start.run(session, command, options)


def _drift(known: dict[str, Any]) -> list[dict[str, str]]:
    counts = {f"group {name}": len(found) for name, found in known["groups"].items()}
    pool = [one for one in known["pool"] if one["hand"] != "switch"]  # what cannot be read has an error
    counts |= {"the pool": len(pool)} if pool else {}
    return [
        {"subject": subject, "problem": f"differs in {counted(count, 'place')}: `nmctl drift` tells where"}
        for subject, count in counts.items()
    ]


def _source(known: dict[str, Any]) -> list[dict[str, str]]:
    """What is wrong with the source of slices, and what it would remove."""
    subject = f"source {known['address']}"
    found = [{"subject": subject, "problem": known["error"]}] if known["error"] else []
    if held := known["held"]:
        said = f"the removal of {counted(len(held), 'sliver')} is held back"
        found.append({"subject": subject, "problem": f"{said}: `nmctl sliver confirm` lets them go"})
    return found


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
    Command("job list", "GetJobs", "list the jobs that you may see, the newest last",
            (filter_by("id", values.numbers),
             option("running", "only those that are not over", flag=True, local=True)), struct=True,
            take=running, show=columns.listed("jobs")),
    Command("shell", "", "a prompt with SPL's grammar and all of these commands; or a script of them",
            (word("daemon", "the daemon's address, when no option names one", count="?", metavar="ADDRESS"),
             Arg("--command", "carry this out instead; may be given again", short="-c", repeat=True,
                 default=[], metavar="COMMAND"),
             Arg("--keep-going", "go on behind a command that failed", flag=True)), run=shell),
    Command("job show", "GetJob", "show a job", (JOB,), show=columns.job),
    Command("job wait", "WaitJob", "wait for a job and show its progress",
            (JOB, option("seconds", "at most so long", parse=float, local=True)),
            run=wait_job, uses=("GetJob",)),
    Command("events", "GetEvents", "show what happened",
            (option("after", "those with greater ids; without it the newest", parse=int, metavar="ID"),
             option("limit", "at most so many", parse=int, default=50, metavar="N"),
             option("follow", "go on until Ctrl-C", flag=True)), run=events),
    Command("watch", "GetEvents", "show what happens as it happens, until Ctrl-C",
            (word("group", "only what happens to this group", count="?"),
             Arg("--since", "begin at this time: -2h, a date; else now", times.past, timed=True, local=True,
                 metavar="TIME")), run=watch, uses=("WhoAmI",)),
    Command("health", "", "show what is in trouble; exit status 7 when anything is", run=health,
            uses=("WhoAmI", "GetVersion", "GetDrift", "GetSource", "GetHolds",
                  *(method for _, method in TROUBLED + TOLD_TO_ADMINS))),
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
