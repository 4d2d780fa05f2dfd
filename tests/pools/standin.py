"""Who does the work of pools' workers in tests that need none: all that is asked for is at once so."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from nm import jobs
from nm.pools import keeping
from nm.records import name_of
from nm.store import Store, Transaction, portions
from tests.pools.deployed import bring_up


@contextmanager
def standing_in(store: Store, now: float) -> Iterator[None]:
    """Meanwhile jobs of pools are done."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.02):
            for job in list(store.range("job")):
                if job["state"] == "queued" and keeping.name_in(job["subject"]):
                    carry_out(store, keeping.name_in(job["subject"]), job["id"], now)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def carry_out(store: Store, name: str, number: int, now: float) -> None:
    """Do what the job asks for."""
    pool = keeping.find(store, name)
    assert pool is not None
    if pool["target"] is not None:
        bring_up(store, name_of(pool["record_key"]), now)
        return
    for portion in portions(keeping.all_keys(store, pool)):
        store.transact(partial(_delete, keys=portion))
    store.transact(partial(_done, number=number, now=now))


def _delete(tx: Transaction, keys: list[str]) -> None:
    for key in keys:
        tx.delete(key)


def _done(tx: Transaction, number: int, now: float) -> None:
    jobs.advance(tx, number, now, state="done")
