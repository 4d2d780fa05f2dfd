"""Random lives in which the site's programs refuse nodes: none of those is ever free, or in a network."""

import os
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from nm.errors import NMError
from nm.views import wired
from tests.core.site_program import MOMENTS, SiteProgram
from tests.core.test_isolation import NODES, Life, _live
from tests.rack import Rack

_PROGRAM = """#!/bin/sh
cd {folder}
verdict=ended; [ -e refuse.$NM_MOMENT.$NM_NODE ] && verdict=refused
echo "$verdict $NM_MOMENT $NM_NODE" >> runs
[ $verdict = ended ]
"""


class HookedLife(Life):
    """The same life, with programs."""

    def make_rack(self, **settings: Any) -> Rack:
        self.program = SiteProgram(self.folder)
        self.program.write(_PROGRAM.format(folder=self.folder))
        self.cleared: dict[str, int] = {}  # how many runs there were when it was last cleared
        return super().make_rack(hooks=self.program.settings(), **settings)

    @rule(moment=st.sampled_from(MOMENTS), node=NODES, refuse=st.booleans())
    def refuse(self, moment: str, node: str, refuse: bool) -> None:
        self.program.refuse(moment, node, refuse)

    @rule(node=NODES)
    def clear(self, node: str) -> None:
        runs = len(self.runs())
        try:
            self.rack.call("ClearNode", node)
        except NMError:
            return
        self.cleared[node] = runs

    def runs(self) -> list[list[str]]:
        """Verdict, moment and node of each run so far."""
        noted = self.folder / "runs"
        return [line.split() for line in noted.read_text().splitlines()] if noted.exists() else []

    @invariant()
    def none_that_was_refused_is_free_or_joined(self) -> None:
        assert self.rack.service is not None
        store, runs = self.rack.service.database, self.runs()
        states, nodes = self.rack.states(), self.rack.call("GetNodes", {})
        if runs != self.runs():
            return  # one ended while we looked; the next look tells
        verdicts = {(name, moment): (verdict, at) for at, (verdict, moment, name) in enumerate(runs)}
        for node in nodes:
            name = node["name"]
            if verdicts.get((name, "before_give"), ("ended", 0))[0] == "refused":
                record = store.get(f"node_{name}") or {}
                places = [(nic["switch"], nic["port"]) for nic in wired(record)]
                assert all(states[switch].ports[port].isolated for switch, port in places), name
                assert node["state"] != "joined", name
            for moment in MOMENTS:
                verdict, at = verdicts.get((name, moment), ("ended", 0))
                if verdict == "refused" and at >= self.cleared.get(name, 0):
                    assert not node["free"], (name, moment)

    def _take_everything_back(self) -> None:
        for node in self.rack.nodes:
            for moment in MOMENTS:
                self.program.refuse(moment, node, False)
        for switch in self.rack.switches:
            self.rack.set_faults(switch)
        for group in self.rack.call("GetGroups", {}):
            self._call("DestroyGroup", group["name"])
            self._call("Repair", group["name"])
        self.rack.until(lambda: self.rack.call("GetGroups", {}) == [])
        self.rack.until(self._all_cleared)

    def _all_cleared(self) -> bool:
        for node in self.rack.call("GetNodes", {}):
            if node["state"] == "failed":
                self._call("ClearNode", node["name"])
        return all(node["free"] or node["state"] == "unverified" for node in self.rack.call("GetNodes", {}))


@pytest.mark.no_cover
def test_no_node_that_was_refused_is_given_out_whatever_happens() -> None:
    """80 operations; NM_HOOKED_LIVES says how many lives of 40 there are."""
    _live(HookedLife, int(os.environ.get("NM_HOOKED_LIVES", "2")), 40)
