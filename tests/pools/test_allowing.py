"""What who may describe: plain domains from registered images within limits, and more that is listed."""

from typing import Any

import pytest

from nm.calls import Caller, Describing
from nm.errors import Conflict, Denied, Invalid, LimitReached
from nm.records import Record
from tests.api.test_methods import NOW, Bench
from tests.pool.world import ALICE, ROOT
from tests.pools.deployed import bring_up
from tests.pools.test_described import (
    FOLDERS,
    allow,
    apply,
    describer,
    domain,
    plan,
    pool,
    refused,
    run,
    text,
)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("s extends BashShell;", "commands on hosts"),
        (domain(more='kernel "/data/vmlinuz";'), "files of hosts"),
        ('l extends LoopbackStorageBackend { baseImage "/data/x.img"; }', "files of hosts"),
        ('l extends LoopbackStorageBackend { baseImage "unknown"; }', "no image 'unknown'"),
        ('l extends LoopbackStorageBackend { baseImage "netboot"; }', "no image 'netboot'"),
        ('l extends LoopbackStorageBackend { baseImage LAZY x; x "spare"; }', "reference"),
        (
            'l extends LVMStorageBackend { baseImage "spare"; volumeGroup "vg"; }',
            "may not choose volumeGroup",
        ),
        (domain(more='bridge "br0";'), "may not choose bridge"),
        (domain(more='sfProcessHost "h0";'), "no host 'h0' that alice"),
        (domain(more="memory LAZY x; x 5;"), "memory is a reference"),
        ('g extends Group { n extends Node { node "n1"; } }', "may not make groups"),
    ],
)
def test_others_describe_plain_domains_only(bench: Bench, inside: str, words: str) -> None:
    allow(bench, FOLDERS)
    describer(bench)
    with refused(bench, Denied, words):
        apply(bench, inside, caller=ALICE)
    with refused(bench, Denied, words):
        plan(bench, inside, caller=ALICE)


def test_hosts_of_groups_are_written_out(bench: Bench) -> None:
    bench.grant(ALICE, ["describe", "reserve"])
    bench.edit("account_alice", rights={"describe": {"hosts": ["h0"]}, "reserve": {}})
    with refused(bench, Denied, "no host 'h1' that alice"):
        apply(bench, 'g extends Group { hosts ["h1"]; }', caller=ALICE, host="h0")
    with refused(bench, Invalid, "hosts is a reference"):
        apply(bench, 'where ["h1"]; g extends Group { hosts LAZY ATTRIB where; }', caller=ALICE, host="h0")
    assert apply(bench, 'g extends Group { hosts ["h0"]; }', caller=ALICE, host="h0")
    bring_up(bench.memory, "pool", NOW)
    for value, error, words in (
        ([["h0"]], Invalid, "no list of names"),
        ([7], Invalid, "no list of names"),
        (["h1"], Denied, "no host 'h1' that alice"),
    ):
        with refused(bench, error, words):
            bench.call("SetAttribute", "pool", "g:hosts", value, caller=ALICE)


def test_what_the_right_lists_is_allowed(bench: Bench) -> None:
    allow(bench, FOLDERS)
    describer(bench, hosts=["h0"], shells=True, paths=True, devices=True, images=["spare"])
    inside = domain(more='sfProcessHost "h0"; kernel "/data/vmlinuz"; bridge "x";') + "s extends BashShell;"
    assert apply(bench, inside + 'l extends LoopbackStorageBackend { baseImage "spare"; }', caller=ALICE)
    describer(bench, images=[])
    with refused(bench, Denied, "no image 'spare'"):
        apply(bench, 'l extends LoopbackStorageBackend { baseImage "spare"; }', "other", caller=ALICE)


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("s extends BashShell;", "descriptions.shells"),
        (domain(more='kernel "/data/vmlinuz";'), "descriptions.folders"),
        (domain(more='kernel "/data/../etc/shadow";'), "descriptions.folders"),
        (domain(more='sfProcessHost "nowhere";'), "RegisterHost"),
    ],
)
def test_what_the_site_does_not_say_nobody_may(bench: Bench, inside: str, words: str) -> None:
    with refused(bench, Denied, words):
        apply(bench, inside)


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ('bridge "nmbr101";', "bridge nmbr101 is a group's"),
        ('bridge "br0";', "would be on all"),
        ('bridge "br0"; vlan 101;', "VLAN 101 on bridge br0 is one that nm gives to groups"),
        ('bridge "br0"; vlan 999;', "VLAN 999 is the native VLAN of trunk t0"),
        ('bridge "br0"; vlan 4000;', "switch sw0 parks isolated ports on VLAN 4000"),
    ],
)
def test_no_domain_is_put_by_hand_where_groups_are(bench: Bench, inside: str, words: str) -> None:
    with refused(bench, Denied, words):
        apply(bench, domain(more=f'sfProcessHost "h0"; {inside}'))
    assert apply(bench, domain(more='sfProcessHost "h0"; bridge "br0"; vlan 3000;'))


def test_no_group_gets_a_vlan_on_which_a_domain_was_put_by_hand(bench: Bench) -> None:
    inside = domain(more='sfProcessHost "h0"; bridge "br0"; vlan 3000;')
    run(bench, inside)
    with refused(bench, Conflict, "a domain of description pool is on VLAN 3000"):
        bench.call("RegisterVlan", 3000)
    run(bench, inside.replace("3000", "3001"))
    assert bench.call("RegisterVlan", 3000)


@pytest.mark.parametrize(
    "more", ["vlan 4000;", 'bridge "b"; vlan 4095;', 'bridge "b"; bridgeKind "linux"; vlan 5;']
)
def test_a_tag_is_of_a_bridge_of_open_vswitch(bench: Bench, more: str) -> None:
    with refused(bench, Invalid, "vlan"):
        apply(bench, domain(more=more))


def test_who_may_adopt(bench: Bench) -> None:
    allow(bench, FOLDERS)
    disk = 'l extends LoopbackStorageBackend { baseImage "/data/old.img"; inPlace true; }'
    describer(bench, hosts=["h0"], paths=True, devices=True)
    with refused(bench, Denied, "adopt"):
        apply(bench, domain(), caller=ALICE, adopt=True)
    with refused(bench, Denied, "inPlace"):
        apply(bench, disk, caller=ALICE, host="h0")
    with refused(bench, Denied, "adopt"):
        bench.call("InspectDomains", "h0", caller=ALICE)
    describer(bench, hosts=["h0"], paths=True, adopt=True)
    disk = disk.replace("inPlace", 'format "raw"; inPlace')
    assert apply(bench, disk, caller=ALICE, host="h0", adopt=True)
    job = bench.get(f"job_{bench.call('InspectDomains', 'h0', caller=ALICE)}")
    assert (job["subject"], job["kind"]) == ("domains:h0", "inspect")
    bench.edit("image_spare", kernel="/images/vmlinuz")
    image = bench.get("image_spare")["disk"]
    allow(bench, Describing(folders=(str(image).rpartition("/")[0], "/images")))
    for base in ("spare", image, "/images/vmlinuz"):
        with refused(bench, Denied, "is an image"):
            apply(bench, disk.replace("/data/old.img", base), "other")


@pytest.mark.parametrize(
    ("file", "more"),
    [("x.img", ""), ("x.img", 'format "qcow2";'), ("x.qcow2", 'format "raw";'),
     ("x.img", 'f "raw"; format LAZY f;')],
)  # fmt: skip
def test_a_guests_data_is_read_as_nothing_else(bench: Bench, file: str, more: str) -> None:
    """What a guest wrote to a raw disk would be followed as qcow2 to any file of the host's."""
    allow(bench, FOLDERS)
    disk = f'l extends LoopbackStorageBackend {{ baseImage "/data/{file}"; inPlace true; {more} }}'
    describer(bench, hosts=["h0"], paths=True, adopt=True)
    with refused(bench, Denied, "it is qcow2 if that ends so"):
        apply(bench, disk, caller=ALICE, host="h0")
    assert apply(bench, disk, host="h0")


def test_disks_that_nm_made_are_not_for_others(bench: Bench) -> None:
    allow(bench, FOLDERS)
    describer(bench, hosts=["h0"], paths=True, adopt=True)
    for file in ("nm-front+disk", "web+seed", "nm-pool-p-0a+swap"):
        inside = f'l extends LoopbackStorageBackend {{ baseImage "/data/{file}"; }}'
        with refused(bench, Denied, "somebody's machine"):
            apply(bench, inside, caller=ALICE, host="h0")
        assert apply(bench, inside, file.partition("+")[0], host="h0")


def test_a_plan_tells_what_is_adopted_when_hosts_were_looked_at(bench: Bench) -> None:
    def planned(inside: str, caller: Caller = ROOT, **options: Any) -> Record:
        given = {"host": "h0", **options}
        found: Record = bench.call("PlanDescription", "pool", text(inside), {}, given, caller=caller)
        return found

    def actions(found: Record) -> dict[str, str]:
        return {one["path"]: one["action"] for one in found["changes"] if one["path"] != "sfConfig"}

    inside = domain("a") + domain("b", 'domainName "old";') + domain("c")
    assert planned(inside)["ask"] == []
    before = planned(inside, adopt=True)
    assert actions(before) == {"a": "create", "b": "create", "c": "create"}
    [asked] = before["ask"]
    assert asked == {"host": "h0", "names": ["a", "c", "old"]}
    job = bench.call("InspectDomains", asked["host"], asked["names"])
    with refused(bench, Invalid, "no job that has looked"):
        planned(inside, adopt=True, found=[job])
    there = [{"name": "old", "nm": False}, {"name": "c", "nm": True}, {"name": "b", "nm": False}]
    bench.edit(f"job_{job}", state="done", result=there)
    options: dict[str, Any] = {"adopt": True, "found": [job]}
    found = planned(inside, **options)
    assert actions(found) == {"a": "create", "b": "adopt", "c": "create"} and found["ask"] == []
    assert "*   adopt b (Domain) on h0: sfConfig is created" in found["lines"]
    assert [one["what"] for one in found["steps"] if one["path"] == "b"] == ["construct", "deploy", "start"]
    assert found["hash"] != before["hash"]
    assert actions(planned(inside, found=[job]))["b"] == "create"
    describer(bench, hosts=["h0"], adopt=True)
    with refused(bench, Invalid, "no job that has looked"):
        planned(inside, ALICE, **options)
    with refused(bench, Conflict, "another one by now"):
        apply(bench, inside, host="h0", adopt=True, if_plan=found["hash"])
    apply(bench, inside, host="h0", if_plan=found["hash"], **options)
    bring_up(bench.memory, "pool", NOW)
    more = planned(inside + domain("d"))  # it goes on to adopt
    assert (actions(more), more["ask"]) == ({"d": "create"}, [{"host": "h0", "names": ["d"]}])


def test_who_adopts_goes_on_to(bench: Bench) -> None:
    def adopts() -> bool:
        return bool(pool(bench)["options"]["adopt"])

    apply(bench, domain(), adopt=True)
    bring_up(bench.memory, "pool", NOW)
    apply(bench, domain(more="memory 600;"))
    assert adopts()
    bring_up(bench.memory, "pool", NOW)
    apply(bench, domain(more="memory 700;"), adopt=False)
    assert not adopts()


def test_a_file_is_below_the_folder_in_one_spelling(bench: Bench) -> None:
    allow(bench, FOLDERS)
    for path in ("/database/x", "/data/../etc/shadow", "/data//x", "//data/x", "data/x"):
        with refused(bench, Denied, "descriptions.folders"):
            apply(bench, domain(more=f'kernel "{path}";'))
    assert apply(bench, domain(more='kernel "/data/deep/x";'))


def test_limits_count_all_pools_of_the_owner(bench: Bench) -> None:
    describer(bench, pools=2, components=6, domains=3, memory=3200)
    run(bench, domain(), "one", ALICE)
    with refused(bench, LimitReached, "3200 MiB of memory at most, and this makes 4096"):
        apply(bench, domain("a") + domain("b", "memory 1024;"), caller=ALICE)
    with refused(bench, LimitReached, "this makes 3249"):
        apply(bench, domain("a") + domain("b", "memory 100; maxMemory 1201;"), caller=ALICE)
    with refused(bench, LimitReached, "3 domains"):
        apply(bench, "".join(domain(f"d{n}", "memory 100;") for n in range(3)), caller=ALICE)
    run(bench, domain("a") + domain("b", "memory 100;"), "two", ALICE)
    with refused(bench, LimitReached, "2 pools"):
        apply(bench, "", "three", caller=ALICE)
    with refused(bench, LimitReached, "MiB of memory"):
        bench.call("SetAttribute", "two", "b:memory", 1100, caller=ALICE)
    assert apply(bench, domain("a", "memory 600;"), "two", ALICE)


def test_processors_are_limited_by_what_domains_can_have(bench: Bench) -> None:
    describer(bench, vcpus=8)
    run(bench, domain(more="vcpus 2;"), "one", ALICE)
    with refused(bench, LimitReached, "8 vcpus at most, and this makes 9"):
        apply(bench, domain("a", "maxVcpus 5;"), "two", ALICE)
    with refused(bench, LimitReached, "this makes 10"):
        bench.call("SetAttribute", "one", "d:vcpus", 5, caller=ALICE)
    with refused(bench, Denied, "maxVcpus is a reference"):
        apply(bench, domain(more="maxVcpus LAZY x; x 5;"), "two", ALICE)
    assert apply(bench, domain("a", "maxVcpus 4;"), "two", ALICE)


def test_a_limit_counts_what_was_deployed_before_there_was_one(bench: Bench) -> None:
    describer(bench)
    run(bench, domain(), caller=ALICE)
    bench.edit("pool_pool", uses={"pools": 1, "components": 2, "domains": 1, "memory": 1024, "disk": 0})
    describer(bench, vcpus=8)
    assert bench.call("SetAttribute", "pool", "d:vcpus", 2, caller=ALICE)
    assert pool(bench)["uses"]["vcpus"] == 2
