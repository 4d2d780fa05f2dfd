"""Mails: each is a job, written with the change that it tells of; done when an SMTP server took it. Pure.

So a mail outlives a restart, is seen by `nmctl jobs`, and is waited for like any other job. Operations post
them; their worker (nm/mailwork.py) alone carries them out, and asks here what is to be done next.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nm import jobs
from nm.calls import Call
from nm.configkeys import is_mailbox
from nm.errors import DeviceFailed, Invalid
from nm.records import Record, changed, name_of, new, record_key
from nm.store import Event, Reader, Transaction

SUBJECT = "mail:"
KIND = "mail"
ADMINS: tuple[str, ...] = ()  # as the addressees: the site's administrators, whoever they are when it is sent
LONGEST_SUBJECT = 200  # characters
LONGEST_TEXT = 65536  # characters
MOST = 1000  # mails that may wait: nobody reads more, and no server is down for ever
_COUNT = record_key("meta", "mails")  # how many wait, as `open`


@dataclass(frozen=True)
class Rules:
    """How long a mail is tried, in seconds: pauses that double, and when it is given up."""

    first_pause: float = 60.0
    longest_pause: float = 3600.0
    give_up: float = 5 * 86400.0


def post(
    tx: Transaction, call: Call, to: Sequence[str], subject: str, text: str, group: str | None = None
) -> int:
    """Owe a mail, and return its job's number; 0 when none is owed, and only an event tells of it.

    So it is where the site sends no mail, and when MOST wait. `to`: addresses, or ADMINS. `subject` becomes
    one line, `text` is cut to LONGEST_TEXT. `group`: whose members may see how far it is.
    """
    if wrong := [address for address in to if not is_mailbox(address)]:
        raise Invalid(f"{wrong[0][:70]!r} is no mail address", "write it as someone@example.org")
    line = " ".join(_plain(subject).split())[:LONGEST_SUBJECT]
    waiting = _waiting(tx)
    if not call.site.mail or waiting >= MOST:
        why = f"{waiting} mails wait already" if call.site.mail else "this site sends no mail"
        tx.tell(Event(call.caller.name, "mail", "not sent", f"{line}: {why}", group))
        return 0
    told = {"to": list(to), "headline": line, "text": _plain(text[:LONGEST_TEXT])}
    number = jobs.submit(tx, call, SUBJECT, KIND, group, **told)
    jobs.advance(tx, number, call.now, step=line)  # by which people know it
    _count(tx, call.now, waiting + 1)
    return number


def _waiting(tx: Transaction) -> int:
    """How many mails wait. They are counted when they come and go: of jobs there may be many."""
    if (count := tx.get(_COUNT)) is not None:
        return int(count["open"])
    return sum(job["kind"] == KIND and job["state"] not in jobs.OVER for job in tx.range("job"))


def _count(tx: Transaction, now: float, waiting: int) -> None:
    tx.put(changed(tx.get(_COUNT) or new("meta", name_of(_COUNT), now), now, open=waiting))


def _plain(text: str) -> str:
    return "".join(sign if sign.isprintable() or sign in "\n\t" else " " for sign in text)


@dataclass(frozen=True)
class Standing:
    """How far a mail is. `error`: in the words of who did not take it."""

    over: bool  # taken, or given up
    tries: int
    error: str | None


def standing(reader: Reader, number: int) -> Standing:
    """How far that mail is; one that is not known any more was taken long ago."""
    job = reader.get(record_key("job", number))
    if job is None:
        return Standing(True, 1, None)
    error = job["error"]["text"] if job["error"] is not None else None
    return Standing(job["state"] in jobs.OVER, job.get("tries", 0), error)


# ---- for the worker


@dataclass(frozen=True)
class Outcome:
    """What became of a try. All of it was taken when nothing is said here."""

    error: str | None = None  # why it was not, for now
    left: tuple[str, ...] = ()  # for whom not; for nobody when there is an error and none is named
    refused: str | None = None  # for whom it will never be taken, and why


def due(job: Record, now: float, rules: Rules) -> float:
    """When the mail is to be tried next, in seconds since 1970; a fresh one at once.

    So is one whose pause is longer than any: the clock was ahead when it was written.
    """
    found = float(job.get("due", 0.0))
    return found if found <= now + rules.longest_pause else 0.0


def settle(tx: Transaction, number: int, now: float, outcome: Outcome, rules: Rules) -> None:
    """Write down what became of a try. What was not taken stays in the queue until it is given up."""
    job = tx.get(record_key("job", number))
    if job is None or job["state"] in jobs.OVER:
        return
    waiting = _waiting(tx)
    if outcome.refused is not None:
        _tell(tx, job, outcome.refused)
    tries = job.get("tries", 0) + 1
    if outcome.error is None:
        state = "done" if outcome.refused is None else "failed"
        jobs.advance(tx, number, now, state=state, tries=tries, error=_error(outcome.refused))
        _count(tx, now, waiting - 1)
    elif now >= job["created"] + rules.give_up:
        _tell(tx, job, outcome.error)
        jobs.advance(tx, number, now, state="failed", tries=tries, error=_error(outcome.error))
        _count(tx, now, waiting - 1)
    else:
        pause = min(rules.first_pause * 2 ** min(tries - 1, 60), rules.longest_pause)
        arguments = {**job["arguments"], "to": list(outcome.left) or job["arguments"]["to"]}
        fields = {"tries": tries, "due": now + pause, "error": _error(outcome.error), "arguments": arguments}
        jobs.advance(tx, number, now, state="running", **fields)


def _error(text: str | None) -> Record | None:
    """As jobs have it."""
    return None if text is None else {"code": DeviceFailed.code, "text": text}


def _tell(tx: Transaction, job: Record, why: str) -> None:
    line = job["arguments"]["headline"]
    tx.tell(Event("mail", f"job {job['id']}", "failed", f"mail {line!r}: {why}", job["group"]))
