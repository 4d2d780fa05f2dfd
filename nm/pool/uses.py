"""Who uses what: which group's wiring lies on a trunk or a port.

Pure; called by this package before something is taken away or changed. Looking for a trunk's users
costs a look at every group, which is why only calls that remove or reset something do it.
"""

from collections.abc import Iterable, Iterator

from nm import facts, paths, specs, views
from nm.errors import Conflict
from nm.records import Record, name_of, record_key
from nm.store import Reader


def node(record: Record) -> str | None:
    """Who relies on a node's wiring, in words: its group, or a debt; None when nobody does."""
    if record["group"] is not None:
        return f"group {record['group']}"
    return "a debt that its switch has yet to pay" if record["_debt"] else None


def ports(reader: Reader, records: Iterable[Record]) -> dict[str, str]:
    """For each of the ports whose trunk or node is used by a group: its record key, and the user in words."""
    used: dict[str, str] = {}
    carrying: dict[str, str] | None = None
    for port in records:
        if port["trunk"] is not None:
            carrying = trunks(reader) if carrying is None else carrying
            if port["trunk"] in carrying:
                used[port["record_key"]] = f"group {carrying[port['trunk']]} by trunk {port['trunk']}"
        elif port["node"] is not None:
            owner = reader.get(record_key("node", port["node"]))
            if owner is not None and (user := node(owner)) is not None:
                used[port["record_key"]] = f"{user} by node {port['node']}"
    return used


def carrying(reader: Reader, records: Iterable[Record]) -> dict[str, str]:
    """Of `ports`, those on which something is, was to be, or may be left behind by a group.

    A port of a group's node that no network of the group joins is none of these: it stays isolated, and so
    does every port of a node that was not deployed yet.
    """
    records = list(records)
    found = ports(reader, records)
    for port in records:
        if port["node"] is not None and not _carries(reader, port):
            found.pop(port["record_key"], None)
    return found


def _carries(reader: Reader, port: Record) -> bool:
    """Whether the port of a node is deployed, is to join, or is owed by a debt."""
    fact, name = facts.name("port", port["switch"], port["port"]), port["node"]
    debt = reader.get(record_key("debt", name))
    owner = reader.get(record_key("node", name))
    if debt is not None and fact in debt["owed"]:
        return True
    group = reader.get(record_key("group", owner["group"])) if owner and owner["group"] else None
    if owner is None or group is None:
        return False
    target = group["target"]
    if fact in group["deployed"]:
        return True
    joins = [nic for nic in views.wired(owner) if nic["name"] == port["nic"]]
    return bool(
        target and name in target["nodes"] and any(views.port_value(name, nic, target) for nic in joins)
    )


def untouchable(reader: Reader, records: Iterable[Record]) -> dict[str, str]:
    """`carrying`, and those ports whose NIC has the role `none`."""
    records = list(records)
    return carrying(reader, records) | _of_no_role(reader, records)


def reserved(reader: Reader, records: Iterable[Record]) -> dict[str, str]:
    """`ports`, and those ports whose NIC has the role `none`: nobody may ask for their reset."""
    records = list(records)
    return ports(reader, records) | _of_no_role(reader, records)


def _of_no_role(reader: Reader, records: list[Record]) -> dict[str, str]:
    found = {}
    for port in records:
        if views.of_no_role(reader, port):
            found[port["record_key"]] = f"NIC {port['nic']} of node {port['node']}, whose role is none"
    return found


def trunks(reader: Reader) -> dict[str, str]:
    """For each trunk that a group's wiring lies on, or will after its next deploy: one such group."""
    every = list(reader.range("trunk"))
    by_end = {
        (end["switch"], end["port"]): name_of(trunk["record_key"])
        for trunk in every
        for end in trunk["ends"]
        if "switch" in end
    }
    used: dict[str, str] = {}
    for group in reader.range("group") if every else ():
        name = name_of(group["record_key"])
        used.update(dict.fromkeys(_deployed(group, by_end), name))
        for places in _places(reader, group):
            used.update(dict.fromkeys(_spanned(every, places), name))
    return used


def _deployed(group: Record, by_end: dict[tuple[str, str], str]) -> Iterator[str]:
    for fact in group["deployed"]:
        if fact.startswith("trunk/"):
            _, switch, _, port = facts.split(fact)
            if (switch, port) in by_end:
                yield by_end[switch, port]


def _places(reader: Reader, group: Record) -> Iterator[set[str]]:
    """The places that each network of the group joins, as wanted and as targeted."""
    for spec in (group["wanted"], group["target"]):
        if spec is None or (spec is group["target"] and spec == group["wanted"]):
            continue
        nodes = [found for name in spec["nodes"] if (found := reader.get(record_key("node", name)))]
        for name, network in spec["networks"].items():
            places = {
                f"switch:{nic['switch']}"
                for found in nodes
                for nic in views.wired(found)
                if views.in_network(views.named(found), nic, network)
            }
            head = reader.get(record_key("headnode", spec["headnode"])) if name == "main" else None
            yield places | {f"host:{host}" for host in specs.hosts_of(spec, name)} | _host_of(head)


def _host_of(head: Record | None) -> set[str]:
    return {f"host:{head['host']}"} if head is not None else set()


def host(reader: Reader, name: str) -> str | None:
    """The group that has its network on that host, for domains of its description; None when none has."""
    for group in reader.range("group"):
        specs_of = [spec for spec in (group["wanted"], group["target"]) if spec]
        wanted = any(name in hosts for spec in specs_of for hosts in spec.get("hosts", {}).values())
        if wanted or any(fact.startswith(f"bridge/{name}/") for fact in group["deployed"]):
            return name_of(group["record_key"])
    return None


def _spanned(trunks: list[Record], places: set[str]) -> list[str]:
    try:
        return [name_of(trunk["record_key"]) for trunk in paths.spanning(trunks, places)]
    except Conflict:
        return []  # these places are not joined, so no trunk serves them
