"""Carrying an import out: bite by bite forwards, or backwards when the world has moved. Pure."""

from dataclasses import replace
from typing import Any

from nm import jobs
from nm.calls import Call
from nm.counted import counted
from nm.errors import Conflict, Invalid, NMError
from nm.imports.judging import Verdict, judge
from nm.imports.steps import ROOM, Step, spoken, tried, undone
from nm.records import Record, name_of, new, record_key
from nm.scratch import Scratch
from nm.specs import FreeVlans
from nm.store import Event, Reader, Store, Transaction

RUNNING = "meta_import"  # the record of the import that is going on: its job, and its steps
SUBJECT = "import:"


def import_site(store: Store, call: Call, site: str) -> int:
    """Begin an import. Answers the job that carries it out.

    It is judged on what is published, for that may take seconds, and nobody else's write waits for it. What
    changes meanwhile comes to light when its step is done.
    """
    _refuse_a_second(store)
    verdict = judge(store, call, site)
    if verdict.problems:
        first, more = verdict.problems[0], len(verdict.problems) - 1
        words = f"{'.'.join(first['path'])}: {first['message']}" + (f" (and {more} more)" if more else "")
        refusal = Conflict if first["code"] == Conflict.code else Invalid
        raise refusal(words, first["hint"] or "CheckImport tells all that is wrong")
    return store.transact(lambda tx: _begin(tx, call, verdict))


def _begin(tx: Transaction, call: Call, verdict: Verdict) -> int:
    _refuse_a_second(tx)
    number = jobs.submit(tx, call, SUBJECT, "import")
    jobs.advance(tx, number, call.now, total=len(verdict.steps), result={"same": verdict.same})
    tx.put(new("meta", name_of(RUNNING), call.now, job=number, steps=verdict.steps))
    tx.tell(Event(call.caller.name, "import", "begun", counted(len(verdict.add), "thing")))
    return number


def _refuse_a_second(reader: Reader) -> None:
    if (running := reader.get(RUNNING)) is not None:
        raise Conflict(f"an import is going on (job {running['job']})", "wait until that job is over")


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
    call = replace(call, choose_vlan=FreeVlans().choose)
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
        jobs.advance(tx, job["id"], call.now, state="running", done=done, step=spoken(steps[done]))
        return True
    tx.delete(RUNNING)
    jobs.advance(tx, job["id"], call.now, state="done", done=done, step="")
    tx.tell(Event(call.caller.name, "import", "done", counted(done, "step")))
    return False


def _take_back(tx: Transaction, call: Call, steps: list[Step], job: Record) -> bool:
    """Undo the last steps that were done. What somebody uses by now stays, and is told."""
    bite, done, kept = Scratch(tx), job["done"], list(job["result"].get("kept", ()))
    while done:
        undo = undone(bite, call, steps[done - 1])
        if not _fits(bite, undo.scratch):
            break
        undo.scratch.apply(bite)
        kept += undo.stays
        done -= undo.over
    bite.apply(tx)
    result = {**job["result"], "kept": kept}
    if done:
        jobs.advance(tx, job["id"], call.now, done=done, result=result)
        return True
    error = job["error"]
    if kept:
        error = {**error, "text": f"{error['text']}; but these stay: {'; '.join(kept[:5])}"}
    _fail(tx, call, job, error, done=0, result=result)
    return False


def give_up(tx: Transaction, call: Call, error: NMError) -> None:
    """End the import that is going on where it is: it can go neither on nor back, and holds up others."""
    running = tx.get(RUNNING)
    job = tx.get(record_key("job", running["job"])) if running is not None else None
    if job is not None:
        text = f"given up {counted(job['done'], 'step')} from the beginning; what they added stays: {error}"
        _fail(tx, call, job, {"code": error.code, "text": text})


def _fail(tx: Transaction, call: Call, job: Record, error: Record, **fields: Any) -> None:
    tx.delete(RUNNING)
    jobs.advance(tx, job["id"], call.now, state="failed", step="", error=error, **fields)
    tx.tell(Event("nm", "import", "failed", str(error["text"])))


def _fits(bite: Scratch, attempt: Scratch) -> bool:
    return not bite.writes or len(bite.writes.keys() | attempt.writes.keys()) <= ROOM
