"""Carrying an import out: bite by bite forwards, or backwards when the world has moved. Pure."""

from dataclasses import replace

from nm import jobs
from nm.calls import Call
from nm.errors import Conflict, Invalid, NMError
from nm.imports.judging import judge
from nm.imports.steps import Step, tried, undone
from nm.records import Record, name_of, new, record_key
from nm.scratch import Scratch
from nm.store import Event, Transaction

RUNNING = "meta_import"  # the record of the import that is going on: its job, and its steps
SUBJECT = "import:"
ROOM = 90  # writes that the steps of one bite may have, beside the job's own


def import_site(tx: Transaction, call: Call, site: str) -> int:
    """Begin an import. Answers the job that carries it out."""
    if (running := tx.get(RUNNING)) is not None:
        raise Conflict(f"an import is going on (job {running['job']})", "wait until that job is over")
    verdict = judge(tx, call, site)
    if verdict.problems:
        first, more = verdict.problems[0], len(verdict.problems) - 1
        words = f"{'.'.join(first['path'])}: {first['message']}" + (f" (and {more} more)" if more else "")
        refusal = Conflict if first["code"] == Conflict.code else Invalid
        raise refusal(words, first["hint"] or "CheckImport tells all that is wrong")
    number = jobs.submit(tx, call, SUBJECT, "import")
    jobs.advance(tx, number, call.now, total=len(verdict.steps), result={"same": verdict.same})
    tx.put(new("meta", name_of(RUNNING), call.now, job=number, steps=verdict.steps))
    tx.tell(Event(call.caller.name, "import", "begun", f"{len(verdict.add)} things"))
    return number


def carry_on(tx: Transaction, call: Call) -> bool:
    """One bite of the import that is going on, forwards or backwards. False when there is none any more.

    `call.caller` is replaced by who began it.
    """
    running = tx.get(RUNNING)
    job = tx.get(record_key("job", running["job"])) if running is not None else None
    if running is None or job is None:
        return False
    caller = replace(call.caller, uid=job["who"]["uid"], name=job["who"]["name"], admin=True)
    call = replace(call, caller=caller)
    act = _add if job["error"] is None else _take_back
    return act(tx, call, running["steps"], job)


def _add(tx: Transaction, call: Call, steps: list[Step], job: Record) -> bool:
    bite, done = Scratch(tx), job["done"]
    try:
        while done < len(steps):
            attempt = tried(bite, call, [steps[done]])
            if not _fits(bite, attempt):
                break
            attempt.apply(bite)
            done += 1
    except NMError as error:
        said = {"code": error.code, "text": f"the world has moved, so nothing was imported: {error}"}
        step = "taking back what was added"
        jobs.advance(tx, job["id"], call.now, state="running", error=said, step=step)
        return True
    bite.apply(tx)
    if done < len(steps):
        step = " ".join(map(str, steps[done][:2]))
        jobs.advance(tx, job["id"], call.now, state="running", done=done, step=step)
        return True
    tx.delete(RUNNING)
    jobs.advance(tx, job["id"], call.now, state="done", done=done, step="")
    tx.tell(Event(call.caller.name, "import", "done", f"{done} steps"))
    return False


def _take_back(tx: Transaction, call: Call, steps: list[Step], job: Record) -> bool:
    """Undo the last steps that were done. What somebody uses by now stays, and is told."""
    bite, done, kept = Scratch(tx), job["done"], list(job["result"].get("kept", ()))
    while done:
        attempt, stays = undone(bite, call, steps[done - 1])
        if not _fits(bite, attempt):
            break
        attempt.apply(bite)
        kept += stays
        done -= 1
    bite.apply(tx)
    result = {**job["result"], "kept": kept}
    if done:
        jobs.advance(tx, job["id"], call.now, done=done, result=result)
        return True
    tx.delete(RUNNING)
    error = job["error"]
    if kept:
        error = {**error, "text": f"{error['text']}; but these stay: {'; '.join(kept[:5])}"}
    jobs.advance(tx, job["id"], call.now, state="failed", done=0, step="", result=result, error=error)
    tx.tell(Event("nm", "import", "failed", str(error["text"])))
    return False


def _fits(bite: Scratch, attempt: Scratch) -> bool:
    return not bite.writes or len(bite.writes.keys() | attempt.writes.keys()) <= ROOM
