"""Domains that were there before nm: described by what they are, taken as they are, let go again."""

import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from nm import pool
from nm.calls import Caller
from nm.machine_xml import mark_of
from nm.pool_xml import PoolMark
from nm.pools import operations
from nm.pools.existing import Existing
from nm.shell.domains import description
from nm.workers import Job
from tests.hosts.rack.conftest import sh
from tests.pools.rack.conftest import Rack, domains, virsh
from tests.pools.rack.test_life import xml

OLD = """
<domain type='qemu'><name>{name}</name><memory unit='KiB'>33000</memory><vcpu>2</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{images}/{name}.qcow2'/>
<target dev='vda' bus='virtio'/></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{images}/{name}-data.raw'/>
<target dev='vdb' bus='virtio'/></disk>
<interface type='bridge'><mac address='52:54:00:0a:00:0{number}'/><source bridge='rack0'/>
<virtualport type='openvswitch'/><vlan><tag id='30'/></vlan><model type='virtio'/></interface>
</devices></domain>"""


class Olds:
    """Two domains with disks of their own, that run."""

    def __init__(self, images: Path) -> None:
        self.images = images
        for number, name in enumerate(("web", "db"), 1):
            for file, kind in ((f"{name}.qcow2", "qcow2"), (f"{name}-data.raw", "raw")):
                sh("qemu-img", "create", "-q", "-f", kind, str(images / file), "8M")
                (images / file).chmod(0o644)
            text = OLD.format(name=name, images=images, number=number)
            subprocess.run(["virsh", "-q", "define", "/dev/stdin"], input=text, text=True, check=True)
            virsh("start", name)

    def numbers(self) -> dict[str, str]:
        """The domains that run, and libvirt's numbers of them: another one after each start."""
        return {name: virsh("domid", name) for name in domains()}

    def files(self) -> list[str]:
        return sorted(path.name for path in self.images.iterdir() if path.name.startswith(("web", "db")))


@pytest.fixture
def olds(rack: Rack) -> Iterator[Olds]:
    made = Olds(rack.images)
    yield made
    for name in ("web", "db"):
        subprocess.run(["virsh", "-q", "destroy", name], capture_output=True, check=False)
        subprocess.run(["virsh", "-q", "undefine", name], capture_output=True, check=False)
        for path in rack.images.glob(f"{name}*"):
            path.unlink()


def looked(rack: Rack, *names: str) -> list[Existing]:
    job = rack.operate(operations.inspect_domains, "h0", list(names), method="InspectDomains")
    rack.send("domains:h0", Job(job))
    over = rack.run(job)
    assert (over["state"], over["error"]) == ("done", None)
    return [Existing.of(struct) for struct in over["result"]]


def text(rack: Rack) -> str:
    """What nmctl sf import writes of both, without what it includes."""
    return description(looked(rack, "db", "web"), None).partition("\n")[2]


def mark(name: str) -> PoolMark | None:
    return mark_of(virsh("dumpxml", name), PoolMark)


def test_domains_are_described_as_they_are(rack: Rack, olds: Olds) -> None:
    found = looked(rack)
    assert [(one.name, one.running, one.nm) for one in found] == [("db", True, False), ("web", True, False)]
    assert found[1].attributes["memory"] == 32 and found[1].attributes["vlan"] == 30
    assert found[1].disk["baseImage"] == f"{rack.images}/web.qcow2" and found[1].disk["inPlace"] is True
    assert found[1].left == ("disk 2",)
    assert [one.name for one in looked(rack, "nobody", "web")] == ["web"] and looked(rack, "nobody") == []


def test_they_are_taken_without_a_restart_and_let_go_again(rack: Rack, olds: Olds) -> None:
    described, numbers = text(rack), olds.numbers()
    refused = rack.run(rack.apply("old", described))
    assert "not nm's own" in refused["error"]["text"]
    assert not any(what.startswith("deploy") for what in rack.done)  # nothing was made
    rack.run(rack.terminate("old"))
    job = rack.run(rack.apply("old", described, adopt=True))
    assert (job["state"], job["error"]) == ("done", None)
    assert olds.numbers() == numbers
    found = mark("web")
    assert found is not None and (found.pool, found.part, found.state) == ("old", "old/web", "adopted")
    assert mark_of(virsh("dumpxml", "--inactive", "web"), PoolMark) == found
    assert all(one.nm for one in looked(rack))
    rack.later(40)
    assert set(rack.states("old").values()) == {"running"} and rack.files() == []
    assert rack.apply("old", described) and rack.queue[0][1] is not None
    rack.settle()
    assert olds.numbers() == numbers
    assert rack.run(rack.terminate("old"))["state"] == "done"
    assert olds.numbers() == numbers and mark("web") is None and len(olds.files()) == 4
    assert rack.left() == []


def test_what_was_taken_changes_and_keeps_what_is_not_described(rack: Rack, olds: Olds) -> None:
    numbers = olds.numbers()
    described = text(rack)
    rack.run(rack.apply("old", described, adopt=True))
    job = rack.run(rack.set("old", "web:memory", 24))
    assert (job["state"], job["error"]) == ("done", None)
    assert olds.numbers() == numbers
    assert xml("web", "--inactive").findtext("currentMemory") == str(24 << 10)
    assert xml("web", "--inactive").findtext("memory") == "33000"
    changed = described.replace("vlan 30;", "vlan 31; shutdownTimeout 0;")
    assert rack.run(rack.apply("old", changed))["error"] is None
    assert olds.numbers() == numbers
    assert xml("web").find("devices/interface/vlan/tag").get("id") == "31"  # type: ignore[union-attr]
    more = '  web extends Domain {\n graphics "vnc";'
    restarted = changed.replace("  web extends Domain {", more)
    assert rack.run(rack.apply("old", restarted))["error"] is None
    assert {name: number != numbers[name] for name, number in olds.numbers().items()} == {
        "db": False,
        "web": True,
    }
    assert len(xml("web").findall("devices/disk")) == 2
    rack.run(rack.terminate("old"))
    assert domains() == ["db", "web"] and len(olds.files()) == 4


def test_a_disk_grows_by_whatever_name_its_domain_has_it(rack: Rack, olds: Olds) -> None:
    """Also where its component does not say that name."""
    renamed = OLD.format(name="web", images=rack.images, number=1)
    renamed = renamed.replace("'vda'", "'vdc'").replace("'vdb'", "'vdd'")
    for command in ("destroy", "undefine"):
        virsh(command, "web")
    subprocess.run(["virsh", "-q", "define", "/dev/stdin"], input=renamed, text=True, check=True)
    virsh("start", "web")
    described = re.sub(r'diskTarget "[a-z]*";', "", text(rack))
    assert rack.run(rack.apply("old", described, adopt=True))["error"] is None
    numbers = olds.numbers()
    job = rack.run(rack.apply("old", described.replace("inPlace true;", "inPlace true; size 16777216L;")))
    assert (job["error"], olds.numbers()) == (None, numbers)
    assert virsh("domblkinfo", "web", "vdc").split()[1] == "16777216"


def test_what_is_said_to_go_goes(rack: Rack, olds: Olds) -> None:
    described = text(rack)
    before, _, web = described.partition("  web extends")
    gone = (
        before
        + "  web extends"
        + web.replace("hostname", "shutdownTimeout 0; keepOnTerminate false; hostname", 1)
    )
    disk, _, rest = gone.rpartition("keepOnTerminate true;")
    rack.run(rack.apply("old", f"{disk}keepOnTerminate false;{rest}", adopt=True))
    rack.run(rack.terminate("old"))
    assert domains("--all") == ["db"]
    assert olds.files() == ["db-data.raw", "db.qcow2", "web-data.raw"]


def test_a_pool_that_fails_takes_none_of_them_down(rack: Rack, olds: Olds) -> None:
    numbers = olds.numbers()
    more = f'  other extends Domain {{ hostname "x"; kernel "{rack.images}/none"; }}\n}}'
    described = text(rack).rpartition("}")[0] + more
    job = rack.run(rack.apply("old", described, adopt=True))
    assert job["state"] == "failed" and "there is no" in job["error"]["text"]
    assert olds.numbers() == numbers and mark("web") is None
    late = 'other extends Domain { hostname "o"; bridge "nowhere"; bridgeKind "ovs"; memory 32; }\n}'
    job = rack.run(rack.apply("old", text(rack).rpartition("}")[0] + late, adopt=True))
    assert job["state"] == "failed"
    assert olds.numbers() == numbers and mark("web") is None


def test_neither_a_stranger_nor_one_with_another_disk_is_taken(rack: Rack, olds: Olds) -> None:
    for old, new, words in (
        ("inPlace true;", "inPlace false;", "its disk is not that of"),
        ('uuid "[^"]*"', f'uuid "{uuid.uuid4()}"', "has another uuid"),
    ):
        job = rack.run(rack.apply("old", re.sub(old, new, text(rack), count=1), adopt=True))
        assert job["state"] == "failed" and words in job["error"]["text"]
        assert mark("web") is None and domains() == ["db", "web"]


def test_others_take_domains_only_whose_drives_they_could_name(rack: Rack, olds: Olds) -> None:
    described, alice = 'sfConfig extends Domain { hostname "web"; }', Caller(1001, "alice")
    sub, web = f"{rack.images}/sub", f"{rack.images}/web"
    for paths, folders, words in (
        (False, (str(rack.images),), f"{web}.qcow2 is below none of"),
        (True, (sub,), f"{web}.qcow2 is below none of"),
        (True, (sub, f"{web}.qcow2"), f"{web}-data.raw is below none of"),
    ):
        rack.grant(alice, folders, adopt=True, paths=paths)
        job = rack.run(rack.apply("old", described, adopt=True))
        assert job["state"] == "failed" and words in job["error"]["text"]
        assert mark("web") is None
        rack.run(rack.terminate("old"))
    rack.grant(alice, (str(rack.images),), adopt=True, paths=True)
    assert rack.run(rack.apply("old", described, adopt=True))["error"] is None
    assert mark("web") is not None
    rack.run(rack.terminate("old"))
    (olds.images / "web-data.raw").rename(olds.images / "web+disk")
    text = virsh("dumpxml", "web").replace("web-data.raw", "web+disk")
    subprocess.run(["virsh", "-q", "define", "/dev/stdin"], input=text, text=True, check=True)
    virsh("destroy", "web")
    assert "somebody's machine" in rack.run(rack.apply("old", described, adopt=True))["error"]["text"]


def test_a_head_node_is_not_taken(rack: Rack, olds: Olds) -> None:
    """One that was there before nm has no mark of nm's."""
    described = text(rack)
    rack.operate(pool.register_head_node, "front", {"host": "h0", "domain": "web"}, method="RegisterHeadNode")
    assert {one.name: one.nm for one in looked(rack)} == {"web": True, "db": False}
    job = rack.run(rack.apply("old", described, adopt=True))
    assert job["state"] == "failed" and "not nm's own" in job["error"]["text"]
    assert (mark("web"), mark("db")) == (None, None) and domains() == ["db", "web"]


def test_killed_behind_every_order_they_are_taken_all_the_same(rack: Rack, olds: Olds) -> None:
    described, numbers = text(rack), olds.numbers()
    for job in (rack.apply("old", described, adopt=True), None):
        number = job if job is not None else rack.terminate("old")
        assert rack.lose_answers()
        assert rack.run(number)["state"] == "done"
        assert olds.numbers() == numbers
    assert mark("web") is None and rack.left() == []


IN_PLACE = """
sfConfig extends Compound {{
  disk extends LoopbackStorageBackend {{ baseImage "{path}"; inPlace true; format "qcow2"; }}
  a extends Domain {{ hostname "a"; memory 32; shutdownTimeout 0; storageBackend LAZY ATTRIB disk; }}
}}
"""


def test_a_disk_in_place_leads_to_no_other_file_of_the_host(rack: Rack) -> None:
    """A guest writes what its raw disk begins with, and so upon what it lies as qcow2."""
    secret, images = rack.images.parent / "secret", rack.images
    secret.write_bytes(b"secret".ljust(1 << 20))
    lies_upon = {
        "hop": (secret, "raw"),
        "top": (images / "hop", "qcow2"),
        "good": (images / "empty.raw", "raw"),
    }
    try:
        for name, (base, kind) in lies_upon.items():
            sh("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", kind, str(images / name))
            job = rack.run(rack.apply("web", IN_PLACE.format(path=images / name)))
            if name == "good":
                assert (job["state"], job["error"]) == ("done", None)
            else:
                assert job["state"] == "failed" and f"lies upon {secret}" in job["error"]["text"]
            rack.run(rack.terminate("web"))
    finally:
        for path in (secret, *(images / name for name in lies_upon)):
            path.unlink(missing_ok=True)
