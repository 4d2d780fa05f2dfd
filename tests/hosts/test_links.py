"""A machine's links by netlink and by SSH: the same is seen and made, and a stranger's is left alone.

This kernel may have no 802.1q links; with them, and frames: tests/kernel/test_host_network.py, in a VM.
"""

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nm import pool
from nm.calls import Call, Caller, Site
from nm.errors import DeviceFailed, Invalid
from nm.facts import Order, Outcome
from nm.hands import HeadSettings, host_worker
from nm.hostnet import LinuxNetwork
from nm.links import Add, Delete, Link, Up, Way
from nm.links.here import Here
from nm.links.there import There, line, links_of
from nm.remote import Remote
from nm.workers import Errand
from tests.memory_store import MemoryStore
from tests.switches.bridges import own_network, sh
from tests.switches.sshd import HOST, Sshd, missing

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def _network() -> Iterator[None]:
    if os.geteuid():
        pytest.skip("needs root")
    with own_network():
        sh("for n in trunk0 port0 eth-other; do ip link add $n type veth peer name ${n}f; done")
        yield


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory, _network: None) -> Iterator[Sshd]:
    if problem := missing():
        pytest.skip(problem)
    with Sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


def at(sshd: Sshd, **more: Any) -> Remote:
    return Remote("host vm", {"address": HOST, "port": sshd.port, **more}, {"key": sshd.key})


@pytest.fixture(params=["here", "there"])
def way(request: pytest.FixtureRequest, _network: None) -> Iterator[Way]:
    found: Way = Here()
    if request.param == "there":
        found = There("host vm", at(request.getfixturevalue("sshd")))
    before = set(Here().look())
    yield found
    found.close()
    for name in set(Here().look()) - before:
        sh(f"ip link delete {name} 2>/dev/null || true")


def test_links_are_made_and_seen_as_they_are(way: Way) -> None:
    assert way.look()["trunk0"] == Link("veth", False)
    way.edit([Add("nmbr101", "bridge"), Up("trunk0"), Up("port0", "nmbr101")])
    seen = way.look()
    assert seen == Here().look()
    assert seen["nmbr101"] == Link("bridge", False)
    assert seen["port0"] == Link("veth", True, "nmbr101")
    assert seen["trunk0"] == Link("veth", True)
    way.edit([Delete("nmbr101")])
    assert way.look().keys() == seen.keys() - {"nmbr101"}
    assert way.look()["port0"].master is None
    sh("ip link set trunk0 down; ip link set port0 down")


def test_none_behind_one_that_is_refused(way: Way) -> None:
    with pytest.raises(DeviceFailed, match="exist"):
        way.edit([Add("nmbr101", "bridge"), Add("trunk0", "bridge"), Add("nmbr102", "bridge")])
    assert {"nmbr101"} == way.look().keys() & {"nmbr101", "nmbr102"}


def test_links_get_no_addresses_by_themselves(way: Way) -> None:
    way.edit([Add("nmbr101", "bridge")])
    way.without_addresses(["nmbr101"])
    way.without_addresses(["nmbr101"])
    switch = "/proc/sys/net/ipv6/conf/nmbr101/disable_ipv6"
    assert sh(f"[ ! -e {switch} ] || cat {switch}").strip() in ("", "1")


def test_a_kernel_without_a_kind_says_what_to_load(way: Way) -> None:
    with pytest.raises(DeviceFailed, match=r"has no links of kind nosuch") as failure:
        way.edit([Add("nm0", "nosuch")])
    assert not failure.value.passing
    assert "modprobe nosuch" in failure.value.hint


def test_what_is_a_strangers_stays(way: Way) -> None:
    network = LinuxNetwork("trunk0", way)
    sh("ip link add nmv101 type bridge")
    with pytest.raises(DeviceFailed, match="an interface nmv101 already, which is no vlan"):
        network.make(101)
    assert "nmbr101" not in Here().look()
    network.unmake(101)
    assert "nmv101" in Here().look()
    sh("ip link add nmbr102 type bridge; ip link set eth-other master nmbr102")
    with pytest.raises(DeviceFailed, match="eth-other still hangs on it"):
        network.unmake(102)
    sh("ip link set eth-other nomaster")
    network.unmake(102)
    assert "nmbr102" not in Here().look()
    with pytest.raises(DeviceFailed, match="no network device nosuch0"):
        LinuxNetwork("nosuch0", way).make(101)


def test_lines_for_ip() -> None:
    assert [line(edit) for edit in (Add("nmv7", "vlan", (7, "eth1")), Up("nmv7", "nmbr7"), Up("nmbr7"))] == [
        "link add link eth1 name nmv7 type vlan id 7",
        "link set dev nmv7 master nmbr7 up",
        "link set dev nmbr7 up",
    ]


def test_what_ip_says_of_an_802_1q_link() -> None:
    said = {
        "ifname": "nmv7", "link": "eth1", "flags": ["BROADCAST", "UP", "M-DOWN"], "master": "nmbr7",
        "linkinfo": {"info_kind": "vlan", "info_data": {"protocol": "802.1Q", "id": 7}},
    }  # fmt: skip
    assert links_of([said]) == {"nmv7": Link("vlan", True, "nmbr7", (7, "eth1"))}


# ---- a host's worker


def _register(store: MemoryStore, sshd: Sshd, **more: Any) -> None:
    settings = {
        "uri": f"qemu+ssh://root@{HOST}:{sshd.port}/system",
        "network": {"kind": "linux", "device": "trunk0"},
        "secrets": {"key": "vm-key"},
        **more,
    }
    call = Call(Caller(uid=0, name="root", admin=True), "RegisterHost", time.time(), Site())
    store.transact(partial(pool.register_host, call=call, name="vm", settings=settings))


def _make(store: MemoryStore, sshd: Sshd) -> Outcome:
    """What the host's worker answers to the order of a bridge."""
    answers: list[Outcome] = []
    worker = host_worker("vm", store, {"vm-key": sshd.key}.__getitem__, HeadSettings("192.168.10.1/24", ()))
    worker.handle([Errand([Order("bridge/vm/101", {})], answers.extend)])
    worker.close()
    return answers[0]


@pytest.fixture
def there(sshd: Sshd) -> Iterator[Sshd]:
    yield sshd
    sh("for n in nmv101 nmbr101; do ip link del $n 2>/dev/null || true; done")


def test_the_hosts_key_is_pinned_at_the_first_log_in(there: Sshd) -> None:
    store = MemoryStore()
    _register(store, there)
    outcome = _make(store, there)
    assert outcome.seen == {} or "no links of kind vlan" in str(outcome.error)  # as this kernel has them
    assert (store.get("host_vm") or {})["_host_key"] in (there.host_key("ed25519"), there.host_key("ecdsa"))


def test_another_host_key_is_told_nothing(there: Sshd, tmp_path: Path) -> None:
    store, other = MemoryStore(), Sshd(tmp_path)
    _register(store, there, host_key=other.host_key("ed25519"))
    logins = there.log().count("Accepted")
    outcome = _make(store, there)
    assert "shows a host key that is not the one known" in str(outcome.error)
    assert there.log().count("Accepted") == logins
    assert (store.get("host_vm") or {})["_host_key"] is None


def test_a_host_that_does_not_answer_is_tried_again(there: Sshd, tmp_path: Path) -> None:
    store, nobody = MemoryStore(), Sshd(tmp_path)
    _register(store, nobody)
    outcome = _make(store, nobody)
    assert isinstance(outcome.error, DeviceFailed)
    assert outcome.error.passing


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"uri": "qemu:///system"}, "of use to a host over SSH"),
        ({"secrets": {"token": "x"}}, "no secret 'token'"),
        ({"host_key": "ssh-ed25519 nonsense"}, "is no host key"),
    ],
)
def test_settings_that_are_of_no_use_are_refused(settings: dict[str, Any], told: str) -> None:
    here: dict[str, Any] = {"uri": "qemu+ssh://vm1/system", "network": {"kind": "linux", "device": "eth5"}}
    call = Call(Caller(uid=0, name="root", admin=True), "RegisterHost", time.time(), Site())
    given = {**here, "secrets": {"key": "vm-key"}, **settings}
    with pytest.raises(Invalid, match=told):
        MemoryStore().transact(partial(pool.register_host, call=call, name="vm", settings=given))
