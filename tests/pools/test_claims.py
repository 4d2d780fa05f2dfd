"""VLANs of described domains and of groups never meet, whichever comes first and whatever is under way."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nm import pool, sflibrary
from nm.calls import Call
from nm.descriptiondesk import DescriptionDesk
from nm.descriptions.limits import Limits
from nm.descriptions.surroundings import Surroundings
from nm.errors import Conflict, DeviceFailed, NMError
from nm.facts import Outcome
from nm.pools import drafting, keeping, operations
from nm.records import Record
from nm.workers import Errand
from tests.api.test_methods import NOW, Bench
from tests.core.test_isolation import MEMORY, _live
from tests.memory_store import MemoryStore
from tests.pool.world import ROOT, SITE, World
from tests.pools.deployed import bring_up
from tests.pools.lifetime import Lifetime, site
from tests.pools.test_described import apply, domain, refused, run, text

TAKEN = "a domain of description pool is on"
HOST = {"uri": "qemu:///system", "network": {"kind": "ovs", "device": "br0"}}
VLANS = (3000, 3001, 3002)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def on(vlan: int, bridge: str = "br0", host: str = "h0") -> str:
    return domain(more=f'sfProcessHost "{host}"; bridge "{bridge}"; vlan {vlan};')


def claimed(bench: Bench) -> set[int]:
    """Those of the VLANs that cannot be given to groups."""
    found = set()
    for vlan in VLANS:
        try:
            bench.call("RegisterVlan", vlan)
            bench.call("UnregisterVlan", vlan)
        except Conflict:
            found.add(vlan)
    return found


# ---- what the records say


def test_a_vlan_is_claimed_before_anything_is_made(bench: Bench) -> None:
    apply(bench, on(3000))
    with refused(bench, Conflict, f"{TAKEN} VLAN 3000"):
        bench.call("RegisterVlan", 3000)


def test_both_are_claimed_while_a_domain_goes_from_one_to_the_other(bench: Bench) -> None:
    run(bench, on(3000))
    apply(bench, on(3001))
    assert claimed(bench) == {3000, 3001}
    bring_up(bench.memory, "pool", NOW)
    assert claimed(bench) == {3001}
    bench.call("SetAttribute", "pool", "d:vlan", 3002)
    assert claimed(bench) == {3001, 3002}
    bring_up(bench.memory, "pool", NOW)
    assert claimed(bench) == {3002}


def test_what_was_deployed_before_there_were_claims_is_claimed_as_well(bench: Bench) -> None:
    run(bench, on(3000))
    bench.memory.transact(lambda tx: tx.put(_without_tags(bench.get("pool_pool"))))
    assert claimed(bench) == {3000}
    apply(bench, on(3001))
    assert claimed(bench) == {3000, 3001}


def _without_tags(record: Record) -> Record:
    return {name: value for name, value in record.items() if name != "tags"}


def test_what_has_ended_claims_nothing(bench: Bench) -> None:
    run(bench, on(3000))
    bench.edit("pool_pool", state="failed")
    assert claimed(bench) == set()
    apply(bench, on(3001))
    assert claimed(bench) == {3001}


def test_a_vlan_that_was_registered_since_a_text_was_read_is_seen(bench: Bench) -> None:
    call = Call(ROOT, "ApplyDescription", NOW, SITE)
    written = keeping.Text(text(on(3000)), {}, sflibrary.texts(), Surroundings())
    draft = drafting.draft("pool", written, Limits(), 100)
    seen = operations.look(bench.store, "pool")
    found = operations.planned(bench.store, call, draft, seen, {})
    bench.call("RegisterVlan", 3000)
    with refused(bench, Conflict, "VLAN 3000 on bridge br0 is one that nm gives to groups"):
        bench.store.transact(lambda tx: operations.apply(tx, call, draft, found, seen, {}))


def test_no_trunk_has_it_as_its_native_vlan(bench: Bench) -> None:
    apply(bench, on(3000))
    ends = [{"switch": "sw0", "port": "p3"}, {"switch": "empty", "port": "p1"}]
    with refused(bench, Conflict, f"{TAKEN} VLAN 3000"):
        bench.call("RegisterTrunk", "t9", {"ends": ends, "native": 3000})
    bench.call("RegisterTrunk", "t9", {"ends": ends})
    with refused(bench, Conflict, f"{TAKEN} VLAN 3000"):
        bench.call("UpdateTrunk", "t9", {"native": 3000})


@pytest.mark.parametrize("vlan", [101, 999, 4000])  # a group's, a native one, one for parking
def test_no_bridge_becomes_a_hosts_own_with_a_domain_on_such_a_vlan(bench: Bench, vlan: int) -> None:
    apply(bench, on(vlan, "br1", "h1"))
    with refused(bench, Conflict, f"{TAKEN} its bridge br1: .*{vlan}"):
        bench.call("UpdateHost", "h1", {"network": {"kind": "ovs", "device": "br1"}})
    bench.call("UpdateHost", "h1", {"available": False})


def test_no_switch_parks_its_ports_on_it() -> None:
    world = World(MemoryStore())
    world.host()
    call = Call(ROOT, "ApplyDescription", NOW, SITE)
    DescriptionDesk(world.store).apply(call, "pool", text(on(4000)), {})
    with pytest.raises(Conflict, match=f"{TAKEN} VLAN 4000"):
        world.switch("sw0")


# ---- while a pool lives


class Wire:
    """A host's worker: on which VLANs domains are.

    away: it carries out what it is told, and is not heard; dead: it does nothing; late: no interface moves
    while a domain runs.
    """

    def __init__(self) -> None:
        self.on: dict[str, int] = {}
        self.away = self.dead = self.late = False

    def handle(self, batch: Sequence[Any]) -> float | None:
        for item in batch:
            if isinstance(item, Errand):
                item.reply([self._outcome(order.value or {}) for order in item.orders if not order.moot()])
        return None

    def _outcome(self, value: dict[str, Any]) -> Outcome:
        what, brief = value["what"], value["brief"]
        vlan = brief.attributes.get("vlan")
        if self.dead:
            return Outcome(error=DeviceFailed("nobody is there"))
        if what not in ("start", "change", "terminate"):
            return Outcome(seen={})
        if what == "terminate" or vlan is None:
            self.on.pop(brief.identity, None)
        elif not (what == "change" and brief.gentle and self.late):
            self.on[brief.identity] = vlan
        if what == "change" and brief.gentle and self.late:
            return Outcome(seen={"waits": "it cannot while it runs"})
        return Outcome(error=DeviceFailed("it is not heard")) if self.away else Outcome(seen={})

    def read(self, facts: Sequence[str]) -> list[Outcome]:
        raise AssertionError("nobody looks")

    def failed(self, batch: Sequence[Any], words: str) -> None:
        raise AssertionError(words)

    def close(self) -> None:
        pass


class Wired(Lifetime):
    """A life of pools on the host h0, whose own bridge is br0."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, site())
        self.wire = Wire()
        self.open_hand = lambda name: self.wire
        self.operate(pool.register_host, "h0", HOST, method="RegisterHost")

    def describe(self, vlan: int | None) -> int:
        tag = f'bridge "br0"; vlan {vlan};' if vlan is not None else ""
        inside = f'sfLivenessDelay 0; d extends Domain {{ hostname "d"; {tag} }}'
        return self.apply("web", f"sfConfig extends Compound {{ {inside} }}")

    def register(self, vlan: int) -> None:
        self.operate(pool.register_vlan, vlan, method="RegisterVlan")

    def registered(self) -> set[int]:
        return {record["id"] for record in self.database.range("vlan")}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Wired]:
    made = Wired(tmp_path)
    yield made
    made.close()


def test_a_vlan_is_let_go_when_the_domain_is_off_it(here: Wired) -> None:
    assert here.run(here.describe(3000))["error"] is None
    assert here.run(here.describe(None))["error"] is None
    here.register(3000)


def test_one_that_waits_for_its_next_start_is_where_it_was(here: Wired) -> None:
    """Set in place, then set for later: it is neither where it was started nor where it is described."""
    here.run(here.describe(3000))
    assert here.run(here.set("web", "d:vlan", 3001))["error"] is None
    here.register(3000)
    here.wire.late = True
    assert here.run(here.set("web", "d:vlan", 3002))["error"] is None
    assert [*here.wire.on.values()] == [3001]
    for vlan in (3001, 3002):
        with pytest.raises(Conflict, match=f"web is on VLAN {vlan}"):
            here.register(vlan)
    here.wire.late = False
    assert here.run(here.set("web", "d:memory", 500))["error"] is None
    here.register(3001)


def test_what_was_left_by_force_claims_its_vlans_until_it_is_gone(here: Wired) -> None:
    here.run(here.describe(3000))
    here.wire.away = True
    job = here.describe(3001)
    here.later(3.0)  # it is on 3001, and nobody knows
    assert here.job(job)["state"] == "running" and [*here.wire.on.values()] == [3001]
    here.wire.dead = True
    here.run(here.terminate("web", force=True))
    assert here.pool("web") is None
    for vlan in (3000, 3001):
        with pytest.raises(Conflict, match=f"web may have left on host h0 is on VLAN {vlan}"):
            here.register(vlan)
    here.wire.dead = here.wire.away = False
    here.later(30.0)
    here.register(3000)
    here.register(3001)


class WiredLife(RuleBasedStateMachine):
    """Descriptions come, change and go, hosts fall silent, nmd is killed, and VLANs are given to groups."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="nm-claims-", dir=MEMORY))
        self.here = Wired(self.folder)

    def teardown(self) -> None:
        """What nobody is on any more can be given to groups."""
        try:
            self.here.wire.away = self.here.wire.dead = False
            with contextlib.suppress(NMError):
                self.here.terminate("web")
            self.here.later(200.0)
            assert (self.here.pool("web"), self.here.wire.on) == (None, {})
            for vlan in {*VLANS} - self.here.registered():
                self.here.register(vlan)
        finally:
            self.here.close()
            shutil.rmtree(self.folder)

    @rule(vlan=st.sampled_from([*VLANS, None]))
    def describe(self, vlan: int | None) -> None:
        with contextlib.suppress(NMError):
            self.here.describe(vlan)

    @rule(vlan=st.sampled_from(VLANS))
    def set(self, vlan: int) -> None:
        with contextlib.suppress(NMError):
            self.here.set("web", "d:vlan", vlan)

    @rule(force=st.booleans())
    def terminate(self, force: bool) -> None:
        with contextlib.suppress(NMError):
            self.here.terminate("web", force)

    @rule(vlan=st.sampled_from(VLANS))
    def register(self, vlan: int) -> None:
        with contextlib.suppress(NMError):
            self.here.register(vlan)

    @rule(vlan=st.sampled_from(VLANS))
    def unregister(self, vlan: int) -> None:
        with contextlib.suppress(NMError):
            self.here.operate(pool.unregister_vlan, vlan, method="UnregisterVlan")

    @rule(away=st.booleans(), dead=st.booleans(), late=st.booleans())
    def wire(self, away: bool, dead: bool, late: bool) -> None:
        self.here.wire.away, self.here.wire.dead, self.here.wire.late = away, dead, late

    @rule(turns=st.integers(1, 12))
    def go_on(self, turns: int) -> None:
        for _ in range(turns):
            if self.here.queue:
                self.here.turn()
                self.apart()

    @rule(seconds=st.sampled_from([2.0, 20.0, 90.0]))
    def later(self, seconds: float) -> None:
        self.here.later(seconds)

    @rule()
    def crash(self) -> None:
        self.here.crash()
        self.here.owe()

    @invariant()
    def apart(self) -> None:
        """No domain is on a VLAN that may be a group's."""
        both = self.here.registered() & {*self.here.wire.on.values()}
        assert not both, (both, self.here.pool("web"))


@pytest.mark.no_cover
def test_no_domain_is_on_a_vlan_of_the_pool_whatever_happens() -> None:
    """NM_LIVES says how many lives of 30 operations there are."""
    _live(WiredLife, int(os.environ.get("NM_LIVES", "25")), 30)
