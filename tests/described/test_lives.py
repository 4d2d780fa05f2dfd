"""The random life of a rack with descriptions of groups in it, beside groups that are edited by hand."""

import os
import time
from functools import partial

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from nm import groups
from nm.calls import NM, Call
from tests.core.test_isolation import GROUPS, NODES, VLANS, Life, _live
from tests.described.texts import group, nodes, whole

POOLS = st.sampled_from(["p", "q"])
NAMES = st.sampled_from(["a", "d", "e"])  # one of which is made by hand, too
MORE = st.sampled_from(
    ["", 'hosts ["vm"];', 'h extends HeadNode { headNode "h1"; }', 'v extends Vlan { network "v"; }']
)


class DescribedLife(Life):
    """Descriptions come, change and go in any order, and what they made is changed by hand."""

    @rule(
        pool=POOLS,
        name=NAMES,
        members=st.lists(NODES, max_size=3, unique=True),
        vlan=st.one_of(st.none(), VLANS),
        more=MORE,
        wait=st.booleans(),
    )
    def apply(
        self, pool: str, name: str, members: list[str], vlan: int | None, more: str, wait: bool
    ) -> None:
        said = f"vlan {vlan};" if vlan is not None else ""
        text = whole(group(f'groupName "{name}"; {said} {more} {nodes(*members)}'))
        if self._call("ApplyDescription", pool, text, {}) is not None and wait:
            self._settle()

    @rule(pool=POOLS, wait=st.booleans())
    def terminate(self, pool: str, wait: bool) -> None:
        if self._call("TerminateDescription", pool) is not None and wait:
            self._settle()

    @rule(name=NAMES)
    def destroy_by_force(self, name: str) -> None:
        self._call("DestroyGroup", name, True)

    @rule(name=NAMES)
    def end_its_lease(self, name: str) -> None:
        self._call("RenewGroup", name, time.time() + 0.01)

    @rule(name=GROUPS, there=st.booleans())
    def have_hosts(self, name: str, there: bool) -> None:
        """As for domains of a description: its network is on the host as well."""
        assert self.rack.service is not None
        store, call = self.rack.service.database, Call(NM, "SetNetworks", time.time())
        if store.get(f"group_{name}") is not None and not store.get(f"group_{name}")["destroying"]:  # type: ignore[index]
            act = partial(
                groups.set_hosts, call=call, group=name, network="main", hosts=["vm"] if there else []
            )
            store.transact(act)

    def _take_everything_back(self) -> None:
        for switch in self.rack.switches:
            self.rack.set_faults(switch)
        for pool in self.rack.call("GetDescriptions", {}):
            self.rack.call("TerminateDescription", pool["name"])
        self.rack.until(lambda: self.rack.call("GetDescriptions", {}) == [])
        super()._take_everything_back()


@pytest.mark.no_cover
@pytest.mark.timeout(400)
def test_no_frame_crosses_whatever_is_described() -> None:
    """400 operations; NM_LIVES says how many lives of 40 there are."""
    _live(DescribedLife, int(os.environ.get("NM_LIVES", "10")), 40)
