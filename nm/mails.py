"""Mails to the site's administrators, as records: written with what they tell of, and sent later. Pure.

`mail_N`: {id, subject, text, state: queued, sent or failed, tries, error: text or None, created}. Who queues
one does so in the transaction of the change itself; a worker sends what is queued.
"""

from nm.records import changed, new
from nm.store import Transaction

QUEUED, SENT, FAILED = "queued", "sent", "failed"


def queue(tx: Transaction, now: float, subject: str, text: str) -> int:
    """Let the site's administrators be told; the mail's number. Both are plain text, the subject one line."""
    counter = tx.get("meta_mails") or new("meta", "mails", now, last=0)
    number = int(counter["last"]) + 1
    tx.put(changed(counter, now, last=number))
    one_line = " ".join(subject.split())[:200]
    told = {"id": number, "subject": one_line, "text": text, "created": now}
    tx.put(new("mail", number, now, **told, state=QUEUED, tries=0, error=None))
    return number
