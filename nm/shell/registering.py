"""Ports that are registered as their switch has them: all, of which nobody need know the names."""

import json

from nm.counted import counted
from nm.shell import jobs
from nm.shell.failures import OK
from nm.shell.output import Line
from nm.shell.run import run_calls
from nm.shell.session import Session
from nm.shell.table import Command, Options


def register_ports(session: Session, command: Command, options: Options) -> int:
    """Register the ports that are named, or with --all those that the switch has and the pool has not."""
    return register_all(session, options.switch) if options.all else run_calls(session, command, options)


def register_all(session: Session, switch: str) -> int:
    """Let the switch be read, and register what is missing as one import: all of it or nothing."""
    there = _inspected(session, switch)
    known = {port["port"] for port in session.call("GetPorts", {"switch": switch})}
    missing = [port for port in there if port not in known]
    if missing:
        _finished(session, session.call("Import", json.dumps({"ports": {switch: missing}})), "import")
    if session.output.json:
        session.output.result({"registered": missing, "same": len(there) - len(missing)})
    elif not session.output.quiet:
        session.output.show([Line(_summary(switch, len(missing), len(there)))])
    return OK


def _inspected(session: Session, switch: str) -> list[str]:
    found = _finished(session, session.call("InspectSwitch", switch), f"inspect {switch}")
    return list(found["result"]["ports"])


def _finished(session: Session, number: int, title: str) -> jobs.Job:
    job = jobs.wait(session, number, title)
    if failure := jobs.trouble(job, title):
        raise failure
    return job


def _summary(switch: str, new: int, there: int) -> str:
    if not new:
        return f"switch {switch}: nothing to register, {counted(there, 'port')} there already"
    rest = f", {there - new} there already" if new < there else ""
    return f"switch {switch}: {counted(new, 'port')} registered{rest}"
