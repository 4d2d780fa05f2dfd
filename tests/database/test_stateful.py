"""Random lives of a database against a dict: changes, claims, failing disks, kills, power cuts, restarts."""

import errno
import os
import random
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nm.database import Database
from nm.database_tools import check
from nm.errors import Conflict, DeviceFailed
from nm.records import Record, kind_of, name_of, new
from nm.store import Published, Transaction
from tests.database.simulated_disk import SimulatedDisk

DB = Path("/db")
KEYS = st.sampled_from([f"{kind}_{name}" for kind in ("node", "vlan", "group") for name in range(4)])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
WRITES = st.dictionaries(KEYS, st.none() | VALUES, min_size=1, max_size=5)


class Lives(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.disk = SimulatedDisk()
        self.model: dict[str, Record] = {}
        self.doubtful: list[
            dict[str, Record]
        ] = []  # states of which a crash may leave one: their change failed
        self.heard: list[Published] = []
        self.clock = 0.0
        self.epoch = 0
        self.open()

    def open(self) -> None:
        self.database = Database.open(
            DB, disk=self.disk, journal_limit=800, now=lambda: 1.0, clock=lambda: self.clock
        )
        self.database.subscribe(self.heard.append)
        assert self.database.epoch > self.epoch
        self.epoch = self.database.epoch

    def records(self) -> dict[str, Record]:
        kinds = ("node", "vlan", "group")
        return {record["record_key"]: record for kind in kinds for record in self.database.range(kind)}

    @rule(writes=WRITES)
    def write(self, writes: dict[str, Any]) -> None:
        after = self.after(writes)
        self.database.transact(lambda tx: self.carry_out(tx, writes))
        self.model, self.doubtful = after, []
        assert self.heard[-1].revision == self.database.revision

    def after(self, writes: dict[str, Any]) -> dict[str, Record]:
        after = dict(self.model)
        for key, value in writes.items():
            if value is None:
                after.pop(key, None)
            else:
                after[key] = new(kind_of(key), name_of(key), 1.0, value=value)
        return after

    @staticmethod
    def carry_out(tx: Transaction, writes: dict[str, Any]) -> None:
        for key, value in writes.items():
            if value is None:
                tx.delete(key)
            else:
                tx.put(new(kind_of(key), name_of(key), 1.0, value=value))

    @rule(writes=WRITES)
    def refuse(self, writes: dict[str, Any]) -> None:
        def operation(tx: Transaction) -> None:
            self.carry_out(tx, writes)
            raise Conflict("no")

        try:
            self.database.transact(operation)
        except Conflict:
            return
        raise AssertionError("the operation's error was lost")

    @rule(writes=WRITES, code=st.sampled_from([errno.ENOSPC, errno.EIO]))
    def fail(self, writes: dict[str, Any], code: int) -> None:
        self.disk.fails = lambda number, call: code
        try:
            self.database.transact(lambda tx: self.carry_out(tx, writes))
        except DeviceFailed:
            self.doubtful.append(self.after(writes))
        else:
            raise AssertionError("the disk failed and nobody was told")
        finally:
            self.disk.fails = lambda number, call: 0
        self.clock += 5.0

    @rule()
    def restart(self) -> None:
        self.database.close()
        self.doubtful = []
        self.open()

    @rule(seed=st.integers(0, 1000))
    def cut_the_power(self, seed: int) -> None:
        states = list(self.disk.image().states())
        left, self.disk = self.disk, SimulatedDisk(random.Random(seed).choice(states))
        self.database.close()  # on the disk that is no more
        del left
        self.open()
        found = self.records()
        assert found in [self.model, *self.doubtful]
        self.model, self.doubtful = found, []

    @rule()
    def back_up(self) -> None:
        path = DB / os.urandom(8).hex()
        self.database.backup(path)
        self.disk.remove(path)

    @rule()
    def check(self) -> None:
        if not self.doubtful:
            report = check(DB, disk=self.disk)
            assert report.problems == []
            assert sum(report.counts.values()) == len(self.model)

    @invariant()
    def agrees(self) -> None:
        assert self.records() == self.model
        assert all(self.database.get(key) is record for key, record in self.records().items())

    def teardown(self) -> None:
        self.database.close()


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
