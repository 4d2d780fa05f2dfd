"""Two domains and their disks, from nothing to nothing; what is changed while they run; what dies."""

import subprocess
import xml.etree.ElementTree as ET

from nm.machine_xml import mark_of
from nm.pool_xml import PoolMark
from nm.pools.console import get_component_tree
from tests.pools.rack.conftest import Rack, domains, long, virsh

PAIR = """
Small extends Domain {{ memory 32; maxMemory 64; maxVcpus 2; shutdownTimeout 0; {more} }}
sfConfig extends Compound {{
  sfSyncTerminate true;
  one extends LoopbackStorageBackend {{ baseImage "empty"; {of_disks} }}
  a extends Small {{ hostname "a"; storageBackend LAZY ATTRIB one; ip "10.0.0.2"; netmask "255.255.0.0"; }}
  two extends LoopbackStorageBackend {{ baseImage "empty"; format "raw"; backing false; }}
  b extends Small {{ hostname "b"; domainName "other"; storageBackend LAZY ATTRIB two; }}
}}
"""


def pair(more: str = "", of_disks: str = "") -> str:
    return PAIR.format(more=more, of_disks=of_disks)


STAGES = [f"{what} {path}" for what in ("construct", "deploy", "start") for path in ("one", "a", "two", "b")]


def xml(name: str, *flags: str) -> ET.Element:
    return ET.fromstring(virsh("dumpxml", name, *flags))


def test_two_domains_live_and_leave_nothing(rack: Rack) -> None:
    job = rack.run(rack.apply("web", pair()))
    assert (job["state"], job["error"]) == ("done", None)
    assert rack.done == STAGES
    assert domains() == ["a", "other"] and set(rack.states("web").values()) == {"running"}
    pool = rack.pool("web")
    assert pool is not None and (pool["state"], pool["deployed"]) == ("running", 1)
    mark = mark_of(virsh("dumpxml", "--inactive", "other"), PoolMark)
    assert mark is not None and (mark.pool, mark.part, mark.state) == ("web", "web/b", "whole")
    kinds = {}
    for disk in rack.disks.glob("nm-pool-web-*+disk"):
        told = subprocess.run(["qemu-img", "info", "-U", disk], capture_output=True, text=True, check=True)
        kinds["qcow2" if "file format: qcow2" in told.stdout else "raw"] = "backing file:" in told.stdout
    assert kinds == {"qcow2": True, "raw": False}
    seeds = [path.read_bytes() for path in rack.disks.glob("nm-pool-web-*+seed")]
    assert sorted(b'"10.0.0.2/16"' in seed for seed in seeds) == [False, True]
    rack.done.clear()
    job = rack.run(rack.terminate("web"))
    assert (job["state"], job["error"]) == ("done", None)
    assert rack.done == ["terminate b", "terminate two", "terminate a", "terminate one"]
    assert (domains("--all"), rack.files(), rack.left()) == ([], [], [])


def test_memory_and_processors_are_changed_while_they_run(rack: Rack) -> None:
    rack.run(rack.apply("web", pair()))
    number = virsh("domid", "a")
    job = rack.run(rack.apply("web", pair("memory 48; vcpus 2;", "size 16777216L;")))
    assert (job["state"], job["error"]) == ("done", None)
    assert virsh("domid", "a") == number
    assert xml("a").findtext("vcpu") == "2" and xml("a").find("vcpu").get("current") in (None, "2")  # type: ignore[union-attr]
    assert xml("a", "--inactive").findtext("currentMemory") == str(48 << 10)
    assert virsh("domblkinfo", "a", "vda").split()[1] == "16777216"
    job = rack.run(rack.apply("web", pair("memory 96;", "size 16777216L;")))
    assert (job["state"], job["error"]) == ("done", None)
    assert virsh("domid", "a") != number and xml("a").findtext("memory") == str(96 << 10)
    job = rack.run(rack.set("web", "a:shutdownTimeout", 0))
    assert (job["state"], job["error"]) == ("done", None)
    rack.run(rack.terminate("web"))
    assert (domains("--all"), rack.files(), rack.left()) == ([], [], [])


def test_what_does_not_change_in_place_waits_when_it_is_set(rack: Rack) -> None:
    """A processor less is up to the guest, and there is none that would give it away."""
    rack.run(rack.apply("web", pair("vcpus 2;")))
    number = virsh("domid", "a")
    job = rack.run(rack.set("web", "a:vcpus", 1))
    assert (job["state"], virsh("domid", "a")) == ("done", number)
    view = {"chosen": "a", "find": "domain"}
    told = get_component_tree(rack.database, rack.call("GetComponentTree"), "web", view)
    assert told["chosen"]["waiting"] == ["vcpus"] and "waits" in told["chosen"]["notes"]
    assert [row["below"]["waiting"] for row in told["rows"]] == [1, 0]
    rack.run(rack.set("web", "a:vcpus", 2))
    told = get_component_tree(rack.database, rack.call("GetComponentTree"), "web", view)
    assert told["chosen"]["waiting"] == [] and "waits" not in told["chosen"]["notes"]


def test_killed_behind_every_order_it_comes_to_the_same(rack: Rack) -> None:
    """No order's answer is heard the first time, so all of it is done twice."""
    changed = pair('graphics "vnc";', 'format "raw";')
    for text, orders, end in ((pair(), 12, ["a", "other"]), (changed, 12, ["a", "other"]), (None, 4, [])):
        job = rack.apply("web", text) if text is not None else rack.terminate("web")
        lost = rack.lose_answers()
        over = rack.run(job)
        assert (over["state"], over["error"]) == ("done", None)
        assert len(lost) >= orders and all(rack.done.count(order) > 1 for order in lost)
        assert domains() == end
    assert (domains("--all"), rack.files(), rack.left()) == ([], [], [])


def test_what_dies_takes_the_pool_with_it(rack: Rack) -> None:
    rack.run(rack.apply("web", pair()))
    rack.later(20)
    assert domains() == ["a", "other"]
    virsh("destroy", "a")
    rack.later(20)
    pool = rack.pool("web")
    assert pool is not None and pool["state"] == "failed" and "a does not run any more" in pool["error"]
    assert (domains("--all"), rack.files()) == ([], [])
    job = rack.run(rack.apply("web", pair()))
    assert job["state"] == "done" and domains() == ["a", "other"]


def test_what_cannot_be_made_leaves_nothing_or_what_is_to_be_kept(rack: Rack) -> None:
    broken = pair().replace('"other";', f'"other"; kernel "{rack.images}/none";')
    job = rack.run(rack.apply("web", broken))
    assert job["state"] == "failed" and "there is no" in job["error"]["text"]
    assert (domains("--all"), rack.files()) == ([], [])
    kept = broken.replace("sfSyncTerminate true;", "sfSyncTerminate true; keepOnFailure true;")
    job = rack.run(rack.apply("web", kept))
    assert job["state"] == "failed" and domains("--all") == ["a"]
    pool = rack.pool("web")
    assert pool is not None and pool["state"] == "running" and "there is no" in pool["error"]
    assert rack.run(rack.terminate("web"))["state"] == "done"
    assert (domains("--all"), rack.files(), rack.left()) == ([], [], [])


FIVE = """
Small extends Domain {{ memory 32; shutdownTimeout 0; }}
sfConfig extends Compound {{
  sfSyncTerminate true; {more}
  d1 extends Small {{ hostname "one"; }}
  d2 extends Small {{ hostname "two"; }}
  d3 extends Small {{ hostname "three"; kernel "{kernel}"; }}
  d4 extends Small {{ hostname "four"; }}
  d5 extends Small {{ hostname "five"; }}
}}
"""


def test_the_third_of_five_does_not_start(rack: Rack) -> None:
    """What was made before it goes in the reverse order, or stays when the description says so."""
    kernel = rack.no_kernel()
    job = rack.run(rack.apply("web", FIVE.format(more="", kernel=kernel)))
    assert job["state"] == "failed" and "kernel" in job["error"]["text"]
    begun = [f"{what} d{number}" for what in ("construct", "deploy") for number in range(1, 6)]
    undone = [f"terminate d{number}" for number in range(5, 0, -1)]
    assert list(dict.fromkeys(rack.done)) == [*begun, "start d1", "start d2", "start d3", *undone]
    assert (domains("--all"), rack.files()) == ([], [])
    pool = rack.pool("web")
    assert pool is not None and pool["state"] == "failed"
    kept = FIVE.format(more="keepOnFailure true;", kernel=kernel)
    job = rack.run(rack.apply("web", kept))
    assert job["state"] == "failed" and "d3" in job["error"]["text"]
    assert domains() == ["five", "four", "one", "two"] and domains("--all") == domains()
    assert rack.run(rack.terminate("web"))["state"] == "done"
    assert (domains("--all"), rack.files(), rack.left()) == ([], [], [])


def test_an_update_that_cannot_be_prepared_changes_nothing(rack: Rack) -> None:
    rack.run(rack.apply("web", pair()))
    number = virsh("domid", "a")
    none = f'c extends Small {{ hostname "c"; kernel "{rack.images}/none"; }}'
    job = rack.run(rack.apply("web", pair("memory 40;").replace("a extends", f"{none} a extends")))
    assert job["state"] == "failed" and "there is no" in job["error"]["text"]
    pool = rack.pool("web")
    assert pool is not None and (pool["state"], pool["deployed"], pool["target"]) == ("running", 1, 1)
    assert virsh("domid", "a") == number and xml("a", "--inactive").findtext("currentMemory") == str(32 << 10)
    assert "c" not in rack.states("web")
    assert rack.run(rack.apply("web", pair("memory 40;")))["state"] == "done"


@long
def test_shells_and_consoles_are_there_to_be_linked_to(rack: Rack) -> None:
    """As SmartDomains' examples have them."""
    more = "console extends DeployManagement; myShell extends BashShell;\n  one extends"
    text = pair().replace("one extends", more, 1)
    text = text.replace('hostname "a";', 'hostname "a"; shell LAZY ATTRIB myShell;')
    rack.run(rack.apply("web", text))
    assert rack.states("web")["myShell"] == "running" and domains() == ["a", "other"]


def test_a_disk_that_is_to_be_kept_stays(rack: Rack) -> None:
    rack.run(rack.apply("web", pair(of_disks="keepOnTerminate true;")))
    rack.run(rack.terminate("web"))
    [name] = rack.files()
    assert name.startswith("nm-pool-web-") and name.endswith("+disk")


def disks(rack: Rack) -> set[int]:
    """Their files: another one when one is made anew."""
    return {path.stat().st_ino for path in rack.disks.glob("*+disk")}


def test_what_was_kept_is_not_made_anew_when_what_has_failed_is_applied_again(rack: Rack) -> None:
    text = pair(of_disks="keepOnTerminate true;")
    rack.run(rack.apply("web", text))
    virsh("destroy", "a")
    rack.later(20)
    kept = disks(rack)
    assert len(kept) == 1 and rack.run(rack.apply("web", text))["state"] == "done"
    assert kept < disks(rack)


def test_what_was_kept_is_not_made_anew_for_a_component_that_comes_again(rack: Rack) -> None:
    disk = 'd extends LoopbackStorageBackend { baseImage "empty"; keepOnTerminate true; }'
    seen = []
    for inside in (disk, "", disk):
        text = f'sfConfig extends Compound {{ sfProcessHost "h0"; p extends Prim; {inside} }}'
        assert rack.run(rack.apply("web", text))["state"] == "done"
        seen.append(disks(rack))
    first, kept, both = seen
    assert len(first) == 1 and kept == first < both


@long
def test_domains_of_others_stay(rack: Rack) -> None:
    rack.run(rack.apply("web", pair()))
    job = rack.run(rack.apply("second", pair()))
    assert job["state"] == "failed" and "choose another domainName" in job["error"]["text"]
    assert domains() == ["a", "other"]
    rack.run(rack.terminate("second"))
    assert domains() == ["a", "other"] and set(rack.states("web").values()) == {"running"}
