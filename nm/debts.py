"""Debts: what is to be undone on a device that cannot be asked now, as records. Pure.

A node's debt (`debt_NODE`) is made when ReleaseNode takes the node from its group by force. A switch's debt
(`debt_switch:NAME`) says that nothing that nm knew of that switch counts: it was taken back by force, or
another device stands in its place. While it is there no target has anything on the switch (plan.expand), the
nodes wired to it and the VLANs that may be on it are not given out, and what was read of another device is
forgotten. That is one record, so all of it begins at once, however many ports and groups there are. Debts are
made by nm/releases.py and paid by nm/debtwork.py.
"""

from typing import Any

from nm import facts
from nm.records import Record, record_key
from nm.store import Reader


def node_key(node: str) -> str:
    """The key of a node's debt."""
    return record_key("debt", node)


def switch_key(switch: str) -> str:
    """The key of a switch's debt; no node has a name with a colon."""
    return record_key("debt", f"switch:{switch}")


def of_switch(reader: Reader, switch: str) -> Record | None:
    """The debt of a switch on which nothing counts now; None when it has none, or it is paid."""
    debt = reader.get(switch_key(switch))
    return None if debt is None or debt["paid"] else debt


def generation(reader: Reader, subject: str) -> int:
    """Which device a switch's worker talks to, as a number: another one after each debt of the switch.

    What was asked of one generation and is answered in another may be of another device, or was taken back.
    """
    kind, _, name = subject.partition(":")
    record = reader.get(record_key("switch", name)) if kind == "switch" else None
    return 0 if record is None else int(record.get("_generation", 0))


def of_node(reader: Reader, node: Record) -> str | None:
    """Why a node may still be in a network that it was taken from; None when it is not."""
    if node["_debt"]:
        return "taken back, but not yet read back as isolated"
    wired = (nic["switch"] for nic in node["nics"] if nic["switch"] is not None and nic["role"] != "none")
    owing = next((switch for switch in wired if of_switch(reader, switch) is not None), None)
    return None if owing is None else f"what was on switch {owing} is not yet read back as isolated"


def vlans(reader: Reader) -> dict[int, str]:
    """The VLANs that may still be where they were taken back by force, and whose debt that is, in words."""
    found = {}
    for debt in reader.range("debt"):
        if not debt.get("paid"):
            whose = f"switch {debt['switch']}" if "switch" in debt else f"node {debt['node']}"
            found.update(dict.fromkeys(debt["vlans"], whose))
    return found


def without(reader: Reader, some: dict[str, Any]) -> dict[str, Any]:
    """Of these facts those that are on no switch in debt."""
    owing = {switch for switch in set(map(facts.switch_of, some)) if switch and of_switch(reader, switch)}
    if not owing:
        return some
    return {fact: value for fact, value in some.items() if facts.switch_of(fact) not in owing}


def read_since(debt: Record | None, port: Record) -> bool:
    """Whether what was read of the port is of the device that stands there now; `debt`: its switch's."""
    return debt is None or debt["device_since"] is None or (port["_read_at"] or 0) > debt["device_since"]
