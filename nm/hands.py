"""Which hand belongs to which subject, and how its worker opens it.

Between the workers, who know subjects, and the hands, who know devices. Called by the service only.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from nm import debts, facts, hostnet, jobs, machine_xml, people, pool, poolgroups, seed
from nm import switchwork as work
from nm.configdescriptions import Descriptions
from nm.errors import DeviceFailed, Invalid, NMError, NotFound
from nm.facts import Hand, Order
from nm.headdoor import HeadDoor
from nm.hostlogin import Login
from nm.hypervisor import is_remote
from nm.listfolder import FOLDER
from nm.making import Blueprint
from nm.poolhand import PoolHand
from nm.records import Record, name_of, record_key
from nm.scripts import ScriptHand
from nm.scriptwork import ScriptWorker
from nm.seed import Door
from nm.store import Reader, Store, Transaction
from nm.switch import Registry
from nm.switches.breaker import Breaker
from nm.switches.executor import Executor, make_executor
from nm.thin import Tools
from nm.vm import HostHand
from nm.workers import HandWorker

LOCKS = Path("/run/nm/runs")
MOST_DOMAINS = 300  # in the result of one job
Gate = AbstractContextManager[object]


@dataclass(frozen=True)
class HeadSettings:
    """What the site says of head nodes that nm makes. `door`: how they reach nm, when they do."""

    address: str
    folders: tuple[str, ...]
    lists: Path = FOLDER
    door: HeadDoor | None = None


def host_worker(
    name: str,
    store: Store,
    secret: Callable[[str], str],
    settings: HeadSettings,
    gate: Gate | None = None,
) -> HandWorker:
    """The handler of a host. It has no jobs. `gate`: see nm/poolwires.py."""
    device = partial(_host, store, name)

    def open_hand() -> Hand:
        meet = partial(_meet_host, store, name, device())
        network = partial(hostnet.network_of, who=f"host {name}", secret=secret, meet=meet)
        record = _record(store, "host", name)
        return HostHand(
            name,
            record,
            lambda head: store.get(record_key("headnode", head)),
            partial(blueprint, store, settings),
            seed=partial(_existing, store, settings),
            network=network,
            lists=settings.lists,
            gate=gate,
        )

    return HandWorker(open_hand, store.epoch, lambda hand, number: None, partial(_fail, store), device=device)


def pools_worker(
    name: str,
    store: Store,
    folders: Callable[[], tuple[str, ...]],
    secret: Callable[[str], str],
    gate: Gate | None = None,
    locks: Path = LOCKS,
) -> HandWorker:
    """The handler of what described pools have on a host. `folders`: where bases of disks may lie now.

    `gate`: that of the same host's worker. `secret`: by which it is logged in to; `locks`: of nm/thin.py.
    """
    device = partial(_host, store, name)

    def open_hand() -> Hand:
        def image(image: str) -> Record | None:
            return store.get(record_key("image", image))

        vlan = partial(poolgroups.vlan_at, store, host=name)
        record, tools = _record(store, "host", name), Tools(name, locks, login())
        is_head = partial(pool.is_head_node, store, name)
        return PoolHand(
            name, record, image, folders(), vlan=vlan, gate=gate, tools=tools, is_head=is_head
        )  # fmt: skip

    def login() -> Callable[[], Login] | None:
        """How the host's machine is logged in to; None: it is this one."""
        record = _record(store, "host", name)
        if not is_remote(record["uri"]):
            return None
        meet = partial(_meet_host, store, name, _host(store, name))
        return lambda: Login(_record(store, "host", name), f"host {name}", secret, meet)

    def look(hand: Hand, number: int) -> None:
        job = store.get(record_key("job", number))
        if job is None or job["state"] in jobs.OVER:
            return
        _advance(store, number, state="running", total=1)
        found = cast("PoolHand", hand).domains(job["arguments"]["names"])
        if len(found) > MOST_DOMAINS:
            raise Invalid(
                f"host {name} has {len(found)} domains; {MOST_DOMAINS} are told at once", "name some"
            )
        _advance(store, number, state="done", done=1, result=[domain.struct() for domain in found])

    return HandWorker(open_hand, store.epoch, look, partial(_fail, store), device=device)


def scripts_worker(
    name: str,
    store: Store,
    secret: Callable[[str], str],
    settings: Callable[[], Descriptions],
    locks: Path,
    ends: Callable[[], bool],
) -> ScriptWorker:
    """The handler of pools' scripts on a host; "" is nmd's own machine."""

    def login() -> Login | None:
        record = _record(store, "host", name) if name else None
        if record is None or not is_remote(record["uri"]):
            return None
        return Login(record, f"host {name}", secret, partial(_meet_host, store, name, _host(store, name)))

    hand = ScriptHand(settings, locks, login, ends)
    return ScriptWorker(hand, store.epoch, lambda: settings().scripts_at_once, ends)


def _host(reader: Reader, name: str) -> Record:
    """How a host is reached, and where the volumes are."""
    record = _record(reader, "host", name)
    return {key: record.get(key) for key in ("uri", "network", "host_key", "secrets", "pool", "emulate")}


def _meet_host(store: Store, name: str, opened_for: Record, key: str) -> None:
    """The host shows its key; the first one is expected from now on, unless it was given other settings."""

    def pin(tx: Transaction) -> None:
        if _host(tx, name) != opened_for:
            raise DeviceFailed(f"host {name} was given other settings meanwhile", "it is tried again")
        pool.pin_host_key_of_host(tx, name, key, time.time())

    store.transact(pin)


def blueprint(reader: Reader, settings: HeadSettings, headnode: str) -> Blueprint:
    """What a group's head node is made from, as the records say now. NotFound when something is not there."""
    record = _record(reader, "headnode", headnode)
    group = _record(reader, "group", record["group"])
    domain = facts.made_domain(headnode)
    management = record.get("management_network")
    told = replace(
        _existing(reader, settings, headnode),
        mac=machine_xml.mac_of(record["host"], domain),
        address=record.get("address") or settings.address,
        management_mac=machine_xml.management_mac_of(record["host"], domain) if management else None,
        keys=tuple(group["keys"]),
    )
    return Blueprint(
        headnode=headnode,
        domain=domain,
        image_name=record["image"],
        image=_record(reader, "image", record["image"]),
        seed=told,
        management=management,
        folders=settings.folders,
    )


def _existing(reader: Reader, settings: HeadSettings, headnode: str) -> seed.Seed:
    """What a group's head node is told, whatever it is."""
    record = _record(reader, "headnode", headnode)
    group = _record(reader, "group", record["group"])
    return seed.Seed(
        instance=f"{record['group']}.{int(group['created'])}",
        hostname=headnode.replace("_", "-"),  # which no host's name may have
        group=record["group"],
        mac="",
        address="",
        door=_door(reader, settings, record),
    )


def _door(reader: Reader, settings: HeadSettings, headnode: Record) -> Door | None:
    account = reader.get(people.account_key(headnode["account"])) if headnode.get("account") else None
    return None if settings.door is None or account is None else settings.door.of(account)


def switch_worker(
    name: str,
    store: Store,
    registry: Registry,
    secret: Callable[[str], str],
    timeout: float,
    breaker: Breaker,
) -> HandWorker:
    """The handler of a switch."""
    device = partial(_device, store, name)

    def open_hand() -> Hand:
        record, opened_for = _record(store, "switch", name), device()
        breaker.serve(opened_for)
        meet = partial(_meet, store, name, opened_for)
        executor = make_executor(
            {"timeout": timeout, **record}, registry, secret, _natives(store, name), meet, breaker
        )
        executor.unsaved = work.unsaved(record)  # until a session has saved
        return executor

    def note(hand: Hand) -> None:
        work.note_health(store, cast("Executor", hand), time.time())

    def do_job(hand: Hand, number: int) -> None:
        job = store.get(record_key("job", number))
        if job is None or job["state"] in jobs.OVER:
            return
        _advance(store, number, state="running", total=1)
        result = _switch_job(store, cast("Executor", hand), _record(store, "switch", name), job)
        note(hand)  # before who waits for the job looks
        _advance(store, number, state="done", done=1, result=result)

    return HandWorker(open_hand, store.epoch, do_job, partial(_fail, store), note, device, breaker.reset)


def _device(reader: Reader, name: str) -> tuple[Record, int]:
    """How a switch is reached: what was opened for other settings may be another device."""
    record = _record(reader, "switch", name)
    told = {key: part for key, part in record.items() if key[0] != "_" and key != "timestamp"}
    return told, debts.generation(reader, f"switch:{name}")


def _meet(store: Store, name: str, opened_for: object, shown: Mapping[str, str]) -> None:
    """The switch shows itself for the first time: the same key is expected from now on.

    While it was logged in to, another one may have taken its place; that one's key is not known yet.
    """

    def pin(tx: Transaction) -> None:
        if _device(tx, name) != opened_for:
            raise DeviceFailed(f"switch {name} was given other settings meanwhile", "it is tried again")
        pool.pin_host_key(tx, name, shown["host_key"], time.time())

    if "host_key" in shown:
        store.transact(pin)


def _switch_job(store: Store, executor: Executor, record: Record, job: Record) -> Any:
    if job["kind"] == "inspect":
        return work.inspect(store, executor, record, time.time())
    act = work.reset if job["kind"] == "reset" else work.adopt
    return act(store, executor, record, job["arguments"].get("ports"), time.time())


def _record(reader: Reader, kind: str, name: str) -> Record:
    record = reader.get(record_key(kind, name))
    if record is None:
        raise NotFound(f"no {kind} {name}", f"register the {kind} again")
    return record


def _natives(store: Store, switch: str) -> dict[str, int]:
    """Native VLANs of the switch's trunk ports."""
    return {
        end["port"]: trunk["native"]
        for trunk in store.range("trunk")
        for end in trunk["ends"]
        if end.get("switch") == switch
    }


def _advance(store: Store, number: int, **fields: Any) -> None:
    now = time.time()
    store.transact(lambda tx: jobs.advance(tx, number, now, **fields))


def _fail(store: Store, number: int, error: NMError) -> None:
    _advance(store, number, state="failed", error={"code": error.code, "text": str(error)})


def export_orders(group: Record) -> list[Order]:
    """The order that writes a group's machine list as it was deployed; none when it has none."""
    fact = f"export/{name_of(group['record_key'])}"
    value = group["deployed"].get(fact)
    return [Order(fact, value)] if value and "doubt" not in value else []
