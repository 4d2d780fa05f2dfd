"""Carrying out one command: the calls, the jobs, the answers, and what the exit status becomes."""

from collections.abc import Mapping, Sequence
from typing import Any

from nm.shell import columns, jobs, plan, wording
from nm.shell.failures import DEVICE, INTERRUPTED, OK, PARTIAL, UNREACHABLE, Failure
from nm.shell.output import Line
from nm.shell.session import Session
from nm.shell.table import Command, Options, Scene, Show, parameters


def run(session: Session, command: Command, options: Options) -> int:
    """Carry out the command and return the exit status; Failure when all of it failed."""
    if command.check is not None:
        command.check(options)
    if command.changes and options.dry_run:
        return plan.dry_run(session, command, options)
    if command.run is not None:
        return command.run(session, command, options)
    return run_calls(session, command, options)


def run_calls(session: Session, command: Command, options: Options) -> int:
    """Make the calls of the command, one after the other, and show the answers."""
    calls = parameters(command, options)
    if not any(arg.each for arg in command.args):
        return _one(session, command, *calls[0])
    results: list[Any] = []
    failures: list[Failure] = []
    for single, params in calls:
        try:
            results.append(_result(session, command, single, params))
            _tell(session, command, single, results[-1])
        except Failure as failure:
            if failure.status in (UNREACHABLE, INTERRUPTED) or len(calls) == 1:
                raise
            told = any((failure.message, failure.hint) == (f.message, f.hint) for f in failures)
            failures.append(failure)
            if not told and not session.output.json:
                session.output.failure(failure.message, failure.hint)
    return _sum_up(session, results, failures)


def _one(session: Session, command: Command, options: Options, params: Sequence[Any]) -> int:
    result = _result(session, command, options, params)
    if command.judge and options.wait and (undone := command.judge(result["result"])):
        done = {name: outcome for name, outcome in result["result"].items() if name not in undone}
        if done:
            _tell(session, command, options, {**result, "result": done})
        raise _incomplete(undone, in_part=bool(done))
    _tell(session, command, options, result)
    if session.output.json:
        session.output.result(result)
    return OK


def _incomplete(undone: Mapping[str, str], in_part: bool) -> Failure:
    """What a job left undone, each reason once."""
    names_of: dict[str, list[str]] = {}
    for name, why in undone.items():
        names_of.setdefault(wording.spoken(why), []).append(name)
    reasons = "; ".join(f"{', '.join(names)}: {why}" for why, names in names_of.items())
    if in_part:
        return Failure(f"done in part: {reasons}", status=PARTIAL)
    return Failure(f"nothing was done: {reasons}", status=DEVICE, code=107)


def _result(session: Session, command: Command, options: Options, params: Sequence[Any]) -> Any:
    """The answer of the method; of a job that is waited for, the job."""
    answer = session.call(command.method, *params)
    if command.job and options.wait:
        return wait_for(session, command, options, answer)
    return command.take(answer, options) if command.take else answer


def wait_for(session: Session, command: Command, options: Options, number: int) -> jobs.Job:
    """The job when it is done. Failure when it failed."""
    title = command.told(options)
    job = jobs.wait(session, number, title)
    if failure := jobs.trouble(job, title):
        raise failure
    return job


def _tell(session: Session, command: Command, options: Options, result: Any) -> None:
    output = session.output
    if output.json:
        return
    if command.job and not options.wait:
        show_job(session, result)
    elif command.job:
        line = Line(jobs.ended(result, command.told(options)))
        output.show([line, *columns.outcome(result, session.clock())])
    elif command.show is not None:
        output.show(command.show(result, Scene(options, session.clock())))
    elif not output.quiet:
        output.show([Line(command.told(options))])


def show_job(session: Session, number: int) -> int:
    """Tell the id of a job that nobody waits for."""
    output = session.output
    if output.json:
        output.result(number)
    elif output.quiet:
        output.show([Line(str(number))])
    else:
        output.show([Line(f"job {number}")])
        output.note(f"to watch it: nmctl job wait {number}")
    return OK


def _sum_up(session: Session, results: list[Any], failures: list[Failure]) -> int:
    output = session.output
    if failures and not results and len({failure.status for failure in failures}) == 1:
        status = failures[0].status
    else:
        status = PARTIAL if failures else OK
    if output.json:
        document: dict[str, Any] = {"ok": not failures, "result": results}
        if failures:
            document["error"] = error_document(failures[0])
        output.document(document)
    return status


def show_answer(session: Session, answer: Any, show: Show, options: Options) -> int:
    """Show one answer, as JSON when that is asked for."""
    if session.output.json:
        session.output.result(answer)
    else:
        session.output.show(show(answer, Scene(options, session.clock())))
    return OK


def error_document(failure: Failure) -> dict[str, Any]:
    """The failure as `--json` tells it."""
    return {"code": failure.code, "message": failure.message, "hint": failure.hint}
