"""Nodes and NICs that are described piece by piece, as SPL's later grammar does: each, then who is in whom.

nm knows a NIC only in its node, and a node only with a NIC. What has no partner yet is kept here, in this
shell; it is recorded as soon as it is whole, and who leaves before is told.
"""

from dataclasses import dataclass, field
from typing import Any

from nm.shell.failures import CONFLICT, CONFLICT_CODE, MISSING_CODE, NOT_FOUND, Failure
from nm.shell.session import Session
from nm.shell.spl.own import say
from nm.shell.table import Command, Options, word

ROLES = {"pxe": "boot", "ipmi": "none"}
Struct = dict[str, Any]


@dataclass
class Loose:
    """A NIC by its id: in no node yet, in a node that is not recorded yet, or recorded."""

    mac: str
    name: str
    place: Struct = field(default_factory=dict)  # switch and port
    node: str = ""
    recorded: bool = False

    def struct(self) -> Struct:
        """The NIC as the API takes it."""
        role = {"role": ROLES[self.name]} if self.name in ROLES else {}
        return {"name": self.name, "mac": self.mac, **self.place, **role}


class Sketch:
    """What is not whole yet, and the commands that add to it."""

    def __init__(self) -> None:
        self.nodes: set[str] = set()
        self.nics: dict[str, Loose] = {}
        nic, node = word("nic", "NODE:NIC or an id"), word("node", "the node's name")
        port, mac, name = word("port", "SWITCH:PORT or an id"), word("mac"), word("name")
        self.commands = (
            Command("node sketch", "", "describe a node", (node,), run=self.create_node),
            Command("nic sketch", "", "describe a NIC", (nic, mac, name), run=self.create_nic),
            Command("nic add", "RegisterNode", "put a NIC into a node", (nic, node), run=self.add_nic),
            Command("nic connect", "ConnectNic", "wire a NIC to a port", (nic, port), run=self.connect_nic),
            Command("nic destroy", "UpdateNode", "forget a NIC", (nic,), run=self.destroy_nic),
        )

    def unrecorded(self) -> list[str]:
        """What would be forgotten now, in words."""
        nics = [f"NIC {name}" for name, nic in self.nics.items() if not nic.recorded]
        return [*(f"node {node}" for node in sorted(self.nodes)), *nics]

    def create_node(self, session: Session, _command: Command, options: Options) -> int:
        """Note a node."""
        if options.node in self.nodes or session.call("GetNodes", {"name": options.node}):
            raise Failure(
                f"node {options.node} is there already", "choose another name", CONFLICT, CONFLICT_CODE
            )
        self.nodes.add(options.node)
        return say(session, f"node {options.node} is recorded when its first NIC is added")

    def create_nic(self, session: Session, _command: Command, options: Options) -> int:
        """Note a NIC."""
        if options.nic in self.nics:
            raise Failure(f"NIC {options.nic} is there already", "choose another id", CONFLICT, CONFLICT_CODE)
        if ":" in options.nic:
            raise Failure("the id of a new NIC has no colon", "nic create 71 52:54:00:00:00:07 pxe", 2)
        self.nics[options.nic] = Loose(options.mac, options.name)
        return say(session, f"NIC {options.nic} is recorded when it is added to a node")

    def add_nic(self, session: Session, _command: Command, options: Options) -> int:
        """Put a NIC into a node, and record both when they are whole."""
        nic = self.nics.get(options.nic)
        if nic is None:
            raise _missing(f"no NIC {options.nic}", "`nic create` makes one: nic create 71 MAC pxe")
        if nic.node:
            raise Failure(
                f"NIC {options.nic} is in node {nic.node}", "nic destroy it first", CONFLICT, CONFLICT_CODE
            )
        if options.node not in self.nodes:
            self._add_to_known(session, nic, options.node)
        elif not self._record(session, nic, options.node):
            return say(session, f"node {options.node} is recorded when it has a NIC to boot from")
        return say(session, f"NIC {nic.name} added to node {options.node}")

    def _record(self, session: Session, nic: Loose, node: str) -> bool:
        nics = [one for one in self.nics.values() if one.node == node] + [nic]
        whole = any(one.name != "ipmi" for one in nics)
        if whole:
            session.call("RegisterNode", node, {"nics": [one.struct() for one in nics]})
            self.nodes.discard(node)
        for one in nics:
            one.node, one.recorded = node, whole
        return whole

    @staticmethod
    def _add_to_known(session: Session, nic: Loose, node: str) -> None:
        nics = [dict(one) for one in _node(session, node)["nics"]]
        new = nic.struct()
        if new.get("role") == "boot":
            nics = [{**one, "role": "data"} if one["role"] == "boot" else one for one in nics]
        session.call("UpdateNode", node, {"nics": [*nics, new]})
        nic.node, nic.recorded = node, True

    def connect_nic(self, session: Session, _command: Command, options: Options) -> int:
        """Wire a NIC to a port."""
        switch, port = _place(session, options.port)
        loose = self.nics.get(options.nic)
        if loose is not None and not loose.recorded:
            loose.place = {"switch": switch, "port": port}
        else:
            session.call("ConnectNic", *self._home(options.nic), switch, port)
        return say(session, f"NIC {options.nic} connected to {switch}:{port}")

    def destroy_nic(self, session: Session, _command: Command, options: Options) -> int:
        """Forget a NIC."""
        loose = self.nics.get(options.nic)
        if loose is None or loose.recorded:
            node, name = self._home(options.nic)
            nics = _node(session, node)["nics"]
            if all(one["name"] != name for one in nics):
                raise _missing(f"node {node} has no NIC {name}", f"`show node {node}` lists them")
            session.call("UpdateNode", node, {"nics": [one for one in nics if one["name"] != name]})
        self.nics.pop(options.nic, None)
        return say(session, f"NIC {options.nic} destroyed")

    def _home(self, nic: str) -> tuple[str, str]:
        """The node of a recorded NIC, and the NIC's name."""
        if nic in self.nics:
            return self.nics[nic].node, self.nics[nic].name
        node, colon, name = nic.partition(":")
        if not colon:
            raise _missing(f"no NIC {nic}", "write NODE:NIC, or the id of a `nic create` in this shell")
        return node, name


def _missing(message: str, hint: str) -> Failure:
    return Failure(message, hint, NOT_FOUND, MISSING_CODE)


def _node(session: Session, name: str) -> Struct:
    found: list[Struct] = session.call("GetNodes", {"name": name})
    if not found:
        raise _missing(f"no node {name}", "`show node` lists the nodes")
    return found[0]


def _place(session: Session, text: str) -> tuple[str, str]:
    """Switch and port of SWITCH:PORT, or of the id that a port was made with."""
    switch, colon, port = text.partition(":")
    if colon:
        return switch, port
    found = [one for one in session.call("GetPorts", {}) if one.get("description") == text]
    if len(found) != 1:
        what = "no port has" if not found else f"{len(found)} ports have"
        raise _missing(f"{what} the id {text}", "write SWITCH:PORT")
    return found[0]["switch"], found[0]["port"]
