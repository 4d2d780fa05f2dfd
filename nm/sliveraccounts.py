"""The accounts of slivers, as the worker of slivers sees to them: enrolled, recalled, and waited for.

An account is a record of `people`; it is made and removed by the accounts' own worker. Here it is said when
there is to be one, that worker is told, and is asked again until it has said how the account is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from nm import people, slivers
from nm.accountwork import Settle
from nm.calls import Call
from nm.converge import Tools
from nm.records import Record
from nm.slices import CONTROLLER_TYPE
from nm.store import Transaction


@dataclass
class _Asked:
    """What is remembered of a sliver's account."""

    told: object = None  # which one, and how it was meant when its worker was last asked to see to it
    when: float = 0.0  # by Tools.now
    left: int = 0  # how often it is still to answer


class SliverAccounts:
    """Used by the slivers' thread only. `call`: as whom accounts are enrolled."""

    def __init__(self, tools: Tools, host: slivers.Host, call: Callable[[], Call]) -> None:
        self._tools = tools
        self._store = tools.store
        self._host = host
        self._call = call
        self._asked: dict[str, _Asked] = {}  # by sliver
        self._slivers: dict[str, str] = {}  # Unix name -> sliver

    def sliver_of(self, account: str) -> str | None:
        """Whose that Unix account is, or was when it was there; None when that is not known."""
        record = self._store.get(people.account_key(account))
        return record["name"] if record is not None else self._slivers.pop(account, None)

    def forget(self, name: str) -> None:
        """The sliver is gone."""
        self._asked.pop(name, None)

    def see_to(self, record: Record, door: str) -> bool:
        """Have the account as meant; it stays until the guest is gone.

        False while the guest still waits for it: who is logged in goes before what they are logged in to.
        """
        name, now = str(record["name"]), self._tools.now()
        ends = door == slivers.NONE and not slivers.has_guest(record)
        self._bring(name, record, slivers.NONE if ends else door)
        account = people.sliver_account(self._store, name)
        if account is None:
            return True
        asked = self._asked.setdefault(name, _Asked())
        told = (account["id"], account["destroying"], door)
        self._slivers[account["account"]] = name
        if told != asked.told:
            asked.told, asked.left = told, 2  # the first answer may be to what was asked before
            self._ask(asked, account)
        if door == slivers.OPEN or account["error"]:
            return True
        if asked.left and (account.get("_read_at") or 0) >= asked.when:
            asked.left -= 1
            self._ask(asked, account)
        return not asked.left or abs(now - asked.when) >= self._tools.patience.longest_pause

    def _ask(self, asked: _Asked, account: Record) -> None:
        if asked.left:
            asked.when = self._tools.now()
            self._tools.send(people.SUBJECT, Settle(account["account"]))

    def _bring(self, name: str, record: Record, door: str) -> None:
        account = people.sliver_account(self._store, name)
        live = account if account is not None and people.is_live(account) else None
        kind = CONTROLLER_TYPE if record["type"] == CONTROLLER_TYPE else str(self._host.type)
        if door == slivers.OPEN and (live is None or live["type"] != kind):
            call = self._call()
            if call.site.uids is not None:
                self._store.transact(partial(people.enroll_sliver, call=call, name=name, kind=kind))
        elif door == slivers.NONE and live is not None:
            self._store.transact(partial(_recall, name=name, now=self._tools.now()))


def _recall(tx: Transaction, name: str, now: float) -> None:
    account = people.sliver_account(tx, name)
    if account is not None and people.is_live(account):
        people.recall(tx, account, now)
