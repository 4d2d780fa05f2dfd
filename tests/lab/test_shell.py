"""SPL's original grammar, each command of it, on a real rack, whose switches are read back."""

import io
from typing import Any

import pytest

from nm.lab.place import Lab
from nm.shell.output import Output
from nm.shell.session import Choice, Session
from nm.shell.spl.interpreter import Interpreter
from tests.lab.conftest import api

pytestmark = pytest.mark.real

SHOWS = {
    "show all": "Groups",
    "show group": "alpha",
    "show vm": "HEAD",
    "show head-node": "HEAD",
    "show network": "250",
    "show vlan": "250",
    "show node": "n4",
    "show user": "",
    "show switch": "sw1",
    "show port": "sw0",
    "show free": "Nodes",
    "show free node": "n4",
    "show free vm": "no head nodes",
    "show free network": "252",
    "show group alpha": "joined",
    "show switch sw0": "untagged 250",
}
WRONG = (
    "create group beta vlan 251 head-node nosuch",
    "create group alpha vlan 252 head-node HEAD",
    "add n1 to alpha",
    "add nosuch to alpha",
    "remove n4 from alpha",
    "change alpha vlan to 4000",
    "change alpha head to nosuch",
    "create vlan 250",
    "destroy vlan 250",
    "deploy nosuch",
    "destroy group nosuch",
    "create user bob secret",
    "show group nosuch",
    "show table",
)


def test_the_original_grammar(lab: Lab) -> None:
    session = Session(Choice(str(lab.socket)), Output(io.StringIO(), io.StringIO()))
    shell = Interpreter(session)

    def spl(line: str, *, fails: bool = False) -> str:
        session.output.stdout = out = io.StringIO()
        session.output.stderr = err = io.StringIO()
        assert bool(shell.attempt(line)) is fails, (line, out.getvalue(), err.getvalue())
        assert ("hint: " in err.getvalue()) is fails
        return out.getvalue()

    with api(lab) as nm:

        def carried(group: str) -> dict[str, Any]:
            return {port["node"]: port["seen"]["untagged"] for port in nm.GetStatus(group)["ports"]}

        head = nm.GetHeadNodes({})[0]["name"]
        spl("create vlan 250,252-253")
        spl(f"create group alpha vlan 250 head-node {head}")
        spl("add n1,n2 to alpha")
        spl("add n3 to alpha")
        assert nm.GetGroups({})[0]["headnode"] == head
        spl("change alpha head to none")  # a guest that has only begun to boot takes its time to go down
        spl(f"create group beta vlan 253 head-node {head}")
        assert "deploy alpha: done" in spl("deploy alpha")
        assert carried("alpha") == {"n1": 250, "n2": 250, "n3": 250}
        for line, said in SHOWS.items():
            assert said.replace("HEAD", head) in spl(line), line
        before = nm.GetGroups({})
        for line in WRONG:
            spl(line.replace("HEAD", head), fails=True)
        assert nm.GetGroups({}) == before
        spl("remove n3 from alpha")
        spl("change alpha vlan to 252")
        spl("destroy group beta")
        spl("deploy")
        assert carried("alpha") == {"n1": 252, "n2": 252}
        assert nm.GetNodes({"name": "n3"})[0]["state"] == "free"
        assert "create group" in spl("help")
        spl("destroy group alpha")
        assert nm.GetGroups({}) == []
        spl("destroy vlan 250,252-253")
    session.close()
