"""A small pool to test against: who calls, what may be driven, and some things that are registered."""

from collections.abc import Callable
from typing import Any, ClassVar

from nm import pool
from nm.calls import Call, Caller, Site
from nm.management.libvirt import LibvirtPower
from nm.processor import Settings
from nm.records import Record, changed, new
from nm.store import Store
from nm.switch import Registry

KINDS = ("switch", "port", "trunk", "host", "node", "vlan", "headnode", "image", "claim")


class PlainDriver:
    """A kind of switch of which only the settings matter."""

    kind: ClassVar[str] = "plain"
    settings: ClassVar[dict[str, type]] = {"address": str, "slots": int, "fast": bool, "delay": float}
    required: ClassVar[frozenset[str]] = frozenset({"address"})
    identity: ClassVar[tuple[str, ...]] = ("address", "slots")
    parking: ClassVar[int | None] = 4000


def site() -> Site:
    drivers = Registry()
    drivers.register(PlainDriver)  # type: ignore[arg-type]
    power = {"bmc": Settings({}, frozenset({"address"})), "libvirt": LibvirtPower.settings}
    return Site(drivers=drivers, power=power, image_folders=("/images",))


SITE = site()
ROOT = Caller(0, "root", admin=True)
ALICE = Caller(1001, "alice")
BOB = Caller(1002, "bob")
NOW = 1_800_000_000.0


def call(caller: Caller = ROOT, now: float = NOW) -> Call:
    return Call(caller, "Test", now, SITE)


class World:
    """A store, and short ways to call operations on it."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def do(self, operation: Callable[..., Any], *arguments: Any, caller: Caller = ROOT) -> Any:
        return self.store.transact(lambda tx: operation(tx, call(caller), *arguments))

    def look(self, operation: Callable[..., Any], *arguments: Any, caller: Caller = ROOT) -> Any:
        return operation(self.store, call(caller), *arguments)

    def get(self, key: str) -> Record:
        record = self.store.get(key)
        assert record is not None, f"no {key}"
        return record

    def edit(self, key: str, **fields: Any) -> None:
        """What a worker or a group's operation would have written."""
        self.store.transact(lambda tx: tx.put(changed(self.get(key), NOW, **fields)))

    def dump(self) -> dict[str, Record]:
        return {
            record["record_key"]: record
            for kind in (*KINDS, "group", "job", "meta", "debt")
            for record in self.store.range(kind)
        }

    # ---- things

    def switch(self, name: str, *ports: str) -> None:
        self.do(pool.register_switch, name, {"driver": "plain", "address": f"{name}.example"})
        for port in ports:
            self.do(pool.register_port, name, port)

    def host(self, name: str = "h0") -> None:
        network = {"kind": "ovs", "device": "br0"}
        self.do(pool.register_host, name, {"uri": f"qemu+ssh://{name}.example/system", "network": network})

    def node(self, name: str, number: int, *ports: tuple[str, str], **settings: Any) -> None:
        nics = [
            {"name": f"eth{at}", "mac": mac(number, at), "switch": switch, "port": port}
            for at, (switch, port) in enumerate(ports or [("", "")])
        ]
        if not ports:
            nics = [{"name": "eth0", "mac": mac(number)}]
        self.do(pool.register_node, name, {"nics": nics, **settings})

    def trunk(self, name: str, one: tuple[str, str], other: tuple[str, str], **settings: Any) -> None:
        ends = [{"switch": place, "port": port} for place, port in (one, other)]
        self.do(pool.register_trunk, name, {"ends": ends, **settings})

    def verify(self, *ports: tuple[str, str]) -> None:
        for switch, port in ports:
            self.edit(f"port_{switch}:{port}", _verified=True)

    def group(self, name: str, wanted: Record, owner: Caller = ALICE, **fields: Any) -> None:
        """A group as nm.groups keeps it, and its claims."""
        owned = {"name": owner.name, "uid": owner.uid}
        record = new(
            "group", name, NOW, owner=owned, alias=None, delegations=[], keys=[], wanted=wanted, target=None,
            revision=0, deployed={}, deployed_revision=0, destroying=False, job=None, error=None, _audit=None,
        )  # fmt: skip
        self.store.transact(lambda tx: tx.put({**record, **fields}))
        for node in wanted["nodes"]:
            self.edit(f"node_{node}", group=name)
        for network in wanted["networks"].values():
            self.edit(f"vlan_{network['vlan']}", group=name)
        if wanted["headnode"]:
            self.edit(f"headnode_{wanted['headnode']}", group=name)


def mac(number: int, nic: int = 0) -> str:
    return f"52:54:00:00:{number:02x}:{nic:02x}"


def spec(*nodes: str, vlan: int = 101, headnode: str | None = None) -> Record:
    main = {"vlan": vlan, "nics": ["boot"], "tagged": False}
    return {"networks": {"main": main}, "nodes": list(nodes), "headnode": headnode}


def furnish(world: World) -> None:
    """Two switches joined by a trunk, a host behind the second, three nodes, two VLANs, two head nodes."""
    world.switch("sw0", "p1", "p2", "p3", "up")
    world.switch("sw1", "p1", "p2", "p3", "down", "host")
    world.host()
    world.trunk("t0", ("sw0", "up"), ("sw1", "down"), native=999)
    ends = [{"switch": "sw1", "port": "host"}, {"host": "h0", "device": "eth5"}]
    world.do(pool.register_trunk, "th", {"ends": ends})
    management = {"driver": "bmc", "address": "192.0.2.1", "secrets": {"key": "bmc-n1"}}
    world.node("n1", 1, ("sw0", "p1"), id=1, management=management, location="rack 1")
    world.node("n2", 2, ("sw1", "p1"), ("sw1", "p2"))
    world.node("n10", 10, ("sw0", "p2"))
    world.do(pool.register_vlan, 101)
    world.do(pool.register_vlan, 102)
    world.do(pool.register_vlan, 110, {"shared": True})
    world.do(pool.register_head_node, "head", {"host": "h0", "domain": "vm1", "management": [mac(200)]})
    for name in ("debian", "spare"):
        world.do(pool.register_image, name, {"kind": "disk", "disk": f"/images/{name}.qcow2"})
    world.do(pool.register_image, "netboot", {"kind": "netboot"})
    world.do(pool.register_head_node, "made", {"host": "h0", "image": "debian"})
