"""The worker of mails: hands what is due to the mail server, and writes down what became of it.

The handler of "mail:". What is owed says the database; which numbers are open is kept here and told anew at
each start. So that no letter goes twice because the database took no writes, an outcome is kept until it is
written down; one that a crash loses goes again under the same Message-ID.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import partial
from typing import Any

from nm import mails, smtp
from nm.configoutside import Mail
from nm.errors import DeviceFailed
from nm.exchange import Cut, Limits, Place
from nm.jobs import OVER
from nm.records import Record, record_key
from nm.store import Store
from nm.workers import Job

PAUSE = 1.0  # seconds until a database that took no writes is tried again
TOTAL = 10.0  # times the server's silence: how long a session may last
DAY = 86400.0
_PLAIN = SMTP.clone(cte_type="7bit")  # which every server takes


@dataclass(frozen=True)
class Look:
    """The configuration is another: try everything now."""


class MailWorker:
    """Called by the mails' thread only; `config` is replaced when the configuration is read again."""

    def __init__(
        self,
        store: Store,
        config: Mail,
        lookup: Callable[[str], str],
        now: Callable[[], float] = time.time,
    ) -> None:
        """`lookup` gives a secret by its name."""
        self.config = config
        self._store = store
        self._lookup = lookup
        self._now = now
        self._cut = Cut()
        self._open: set[int] = set()
        self._unsaid: dict[int, mails.Outcome] = {}

    def end(self) -> None:
        """No session is waited for any longer: nmd ends."""
        self._cut.make()

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Try what is due, and say when to look again."""
        self._open |= {item.number for item in batch if isinstance(item, Job)}
        try:
            self._say()
            jobs = self._jobs()
            eager = any(isinstance(item, Look) for item in batch)
            due = [job for job in jobs.values() if eager or self._due(job) <= self._now()]
            self._try(due)
            return self._next(self._jobs())
        except DeviceFailed:  # the disk took no writes
            return PAUSE

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """What is open stays open, and is tried again."""

    def close(self) -> None:
        """Nothing to let go of."""

    def _jobs(self) -> dict[int, Record]:
        """What is owed now, by number, the oldest first."""
        found = {number: self._store.get(record_key("job", number)) for number in sorted(self._open)}
        owed = {number: job for number, job in found.items() if job is not None and job["state"] not in OVER}
        self._open = set(owed)
        return owed

    def _next(self, jobs: Mapping[int, Record]) -> float | None:
        if not jobs:
            return None
        return max(min(map(self._due, jobs.values())) - self._now(), 0.05)

    def _due(self, job: Record) -> float:
        return mails.due(job, self._now(), rules(self.config))

    def _try(self, jobs: Sequence[Record]) -> None:
        for job, outcome in zip(jobs, self._outcomes(jobs), strict=True):
            if self._cut.made and outcome.error is not None:  # which says nothing of the server
                return
            self._unsaid[job["id"]] = outcome
            self._say()

    def _outcomes(self, jobs: Sequence[Record]) -> Iterable[mails.Outcome]:
        config = self.config
        if not config.admins:
            return [mails.Outcome("this site sends no mail; set mail.admins")] * len(jobs)
        return smtp.hand_over(self._server(config), [letter(config, job) for job in jobs])

    def _server(self, config: Mail) -> smtp.Server:
        silence = config.timeout_seconds
        return smtp.Server(
            Place(config.host, config.port, "", config.ca or None),
            config.tls,
            config.user,
            partial(self._lookup, config.password),
            Limits(silence, silence * TOTAL, cut=self._cut),
        )

    def _say(self) -> None:
        for number, outcome in list(self._unsaid.items()):
            write = partial(
                mails.settle, number=number, now=self._now(), outcome=outcome, rules=rules(self.config)
            )
            self._store.transact(write)
            del self._unsaid[number]


def rules(config: Mail) -> mails.Rules:
    """How long mails are tried."""
    return mails.Rules(config.retry_first_seconds, config.retry_longest_seconds, config.give_up_days * DAY)


def letter(config: Mail, job: Record) -> smtp.Letter:
    """The mail of that job, as it is handed over."""
    told = job["arguments"]
    to = tuple(told["to"]) or config.admins
    message = EmailMessage(policy=_PLAIN)
    message["From"] = config.sender
    message["To"] = ", ".join(to)
    message["Subject"] = told["headline"]
    message["Date"] = format_datetime(datetime.fromtimestamp(job["created"], UTC))
    domain = config.sender.rpartition("@")[2]
    message["Message-ID"] = f"<nm.{job['id']}.{int(job['created'])}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(told["text"])
    return smtp.Letter(config.sender, to, message)
