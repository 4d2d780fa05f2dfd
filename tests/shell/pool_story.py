"""The stories of descriptions that are deployed, told by test_commands.py."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from nm.shell import smartfrog
from tests import standin
from tests.shell.conftest import Nmctl

COMMON = '#include "org/smartfrog/components.sf"\nGuest extends Prim { memory 512; }\n'
COMBINATORS = '#include "org/smartfrog/sfcore/workflow/combinators/components.sf"\n'
DOMAINS = '#include "ch/cern/openlab/smartdomains/components.sf"\n'
XML = """<domain type='kvm'><name>web.1</name><uuid>5e9f0000-5c6f-4b1d-9a51-0d5a0f1f2c11</uuid>
<memory unit='KiB'>1048576</memory>
<vcpu>2</vcpu><os><type machine='pc'>hvm</type></os><on_crash>preserve</on_crash><devices>
<disk type='file' device='disk'><source file='/images/"web".img'/><target dev='vda' bus='virtio'/></disk>
<disk type='file' device='cdrom'/><disk type='block' device='disk'><source dev='/dev/sdb'/></disk>
<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/></interface>
<hostdev mode='subsystem'/></devices></domain>"""


def _set_oddly(nmctl: Nmctl) -> None:
    """Of components, by the path that a text says, and what there was not at the start."""
    assert "a is a component" in nmctl("sf", "set", "web", "a", "5", status=2).err
    nmctl("sf", "set", "web", "sfConfig:a:late", "5", "--wait")
    assert "late 5  (now; it was started without it)" in nmctl("sf", "status", "web", "--attributes").out
    nmctl("sf", "unset", "web", "a:late", "--wait")


def _tell_all(nmctl: Nmctl, pool: Path) -> None:
    """Each component behind what it is in, however they are made."""
    inside = "".join(f"{one} extends Compound {{ c extends Prim; }} " for one in "ab")
    pool.write_text(f'#include "org/smartfrog/components.sf"\nsfConfig extends Compound {{ {inside} }}')
    nmctl("sf", "apply", "deep", str(pool), "--yes", "--wait")
    told = [line.split(" (")[0] for line in nmctl("sf", "status", "deep").out.splitlines()[1:]]
    assert told == ["  sfConfig", "    a", "      c", "    b", "      c"]
    nmctl("sf", "terminate", "deep", "--wait")


def _is_late(nmctl: Nmctl, pool: Path) -> None:
    """What has failed is told, also by the exit status."""
    pool.write_text(f"{COMBINATORS}sfConfig extends Timeout {{ time 1; a extends Delay {{ time 60000; }} }}")
    nmctl("sf", "apply", "late", str(pool), "--yes")
    nmctl.rack.until(lambda: nmctl.one("GetDescriptions", name="late")["state"] == "failed")
    assert "it took longer than 1 ms" in nmctl("sf", "status", "late", status=7).out
    nmctl("sf", "terminate", "late", "--wait")


def _is_told(nmctl: Nmctl, pool: Path) -> None:
    """Numbers are read as it was said first, and what was planned with time and chance can be applied."""
    said = "made extends date; x extends random; y 1.25;"
    pool.write_text(f'#include "org/smartfrog/functions.sf"\n{COMMON}sfConfig extends Compound {{ {said} }}')
    planned = nmctl("sf", "plan", "told", str(pool), "--decimals", "reference", status=2).out
    again = planned.splitlines()[-1].partition("nmctl ")[2].split()
    assert again[-4:-1] == ["--decimals", "reference", "--if-plan"]
    nmctl(*again, "--wait")
    before = nmctl.rack.call("GetComponents", "told")[0]["attributes"]
    assert before["y"] == pytest.approx(1.2)
    assert "nothing to do" in nmctl("sf", "plan", "told", str(pool)).out
    nmctl("sf", "update", "told", str(pool), "--decimals", "double", "--yes", "--wait")
    assert nmctl.rack.call("GetComponents", "told")[0]["attributes"] == {**before, "y": 1.25}
    nmctl("sf", "terminate", "told", "--wait")
    nmctl("sf", "start", "localhost", "told", str(pool), "--decimals", "reference")
    after = nmctl.rack.call("GetComponents", "told")[0]["attributes"]
    assert after["y"] == pytest.approx(1.2) and after["x"] != before["x"]
    nmctl("sf", "terminate", "told", "--wait")


def pools(nmctl: Nmctl, folder: Path) -> None:
    """From the first plan to the end."""
    common, pool = folder / "common.sf", folder / "pool.sf"
    common.write_text(COMMON)

    def write(memory: int, more: str = "") -> None:
        inside = f'a extends Guest {{ hostname "a"; memory {memory}; }} {more}'
        pool.write_text(
            f'#include "{common}"\nsfConfig extends Compound {{ sfSyncTerminate true; {inside} }}'
        )

    write(512)
    assert nmctl.rack.service is not None
    planned = nmctl("sf", "plan", "web", str(pool), status=2)
    assert "  +   create a (Prim): sfConfig is created" in planned.out.splitlines()
    assert "Plan: 2 to create." in planned.out.splitlines()
    found = nmctl("sf", "plan", "web", str(pool), "--json", status=2).json["result"]
    assert [change["action"] for change in found["changes"]] == ["create", "create"]
    nmctl("sf", "update", "web", str(pool), "--yes", status=5)
    nmctl("sf", "apply", "web", str(pool), status=2)  # nobody is there to be asked
    assert nmctl.rack.call("GetDescriptions", {}) == []
    nmctl("sf", "apply", "web", str(pool), "--if-plan", found["hash"], "--wait")
    assert nmctl.one("GetDescriptions", name="web")["state"] == "running"
    assert "nothing to do" in nmctl("sf", "plan", "web", str(pool)).out
    assert "nothing to do" in nmctl("sf", "apply", "web", str(pool), "--yes").out
    assert nmctl.one("GetDescriptions", name="web")["revision"] == 1
    write(513)
    nmctl("sf", "apply", "other", str(pool), "--if-plan", found["hash"], status=6)  # says something else
    write(600, 'b extends Guest { hostname "b"; }')
    differing = nmctl("sf", "diff", "web", str(pool), status=2)
    assert "        memory 512 -> 600 (now)" in differing.out.splitlines()
    assert nmctl("sf", "diff", "web", str(pool), "--json", status=2).json["result"][0]["path"] == "a"
    nmctl("sf", "update", "web", str(pool), "--yes", "--wait")
    assert "memory 600  (now" in nmctl("sf", "status", "web", "--attributes").out
    assert "b (Prim): running" in nmctl("sf", "status", "web", "b").out
    assert "running" in nmctl("sf", "status").out
    assert nmctl("sf", "show", "web").out.rstrip("\n") == pool.read_text()
    assert nmctl("sf", "show", "web", str(common)).out.rstrip("\n") == COMMON.rstrip("\n")
    assert nmctl("sf", "show", "web", "--json").json["result"]["files"] == {str(common): COMMON}
    nmctl("sf", "show", "web", "other.sf", status=5)
    assert nmctl("sf", "list", "state=running", "--json").json["result"][0]["name"] == "web"
    said = nmctl("sf", "set", "web", "a:memory", "700", "--wait").err
    assert said.startswith("set a:memory of web: it counts at once")
    assert nmctl.rack.call("GetComponents", "web", "a")[0]["attributes"]["memory"] == 700
    _set_oddly(nmctl)
    nmctl("sf", "unset", "web", "a:memory", "--wait")
    assert "memory" not in nmctl.rack.call("GetComponents", "web", "a")[0]["attributes"]
    assert "a:memory (removed)" in nmctl("sf", "show", "web").err
    nmctl("sf", "end", "web", "b", "--detach", "--wait")
    assert "b (Prim): ended" in nmctl("sf", "status", "web").out
    nmctl("sf", "update", "web", str(pool), "--yes", "--wait")
    assert "b (Prim): running" in nmctl("sf", "status", "web").out
    nmctl("sf", "end", "web", "nowhere", status=5)
    assert "it counts at once" in nmctl("sf", "set", "web", "a:memory", "5", "--dry-run").out
    assert "a console needs a terminal" in nmctl("sf", "console", "web", "a", status=2).err
    nmctl("sf", "console", "nowhere", status=5)
    nmctl("sf", "terminate", "web", "--wait")
    assert nmctl.rack.call("GetDescriptions", {}) == []
    for more in (_is_late, _is_told, _tell_all):
        more(nmctl, pool)


def mistakes_in_pools(nmctl: Nmctl, folder: Path) -> None:
    """What the daemon finds is told line by line, with the place."""
    pool = folder / "pool.sf"
    pool.write_text("sfConfig extends Compuond {\n}\n")
    said = nmctl("sf", "diff", "web", str(pool), status=2).err.splitlines()
    assert said[0] == f"{pool}:1:18: no Compuond here, nor in any component around (in sfConfig)"
    assert said[1:3] == ["    sfConfig extends Compuond {", "                     ^"]
    assert said[3:] == ["    define Compuond, or include the file that does", "nmctl: nothing was done"]
    told = nmctl("sf", "plan", "web", str(pool), "--json", status=2).json
    assert told["error"]["code"] == 102 and told["error"]["message"].startswith(f"{pool}:1:18: ")
    (folder / "common.sf").write_text(COMMON)
    pool.write_text(f'a "\\q";\n#include "{folder}/common.sf"\nsfConfig extends Guest;')
    heard = nmctl("sf", "plan", "web", str(pool), status=2).err
    assert f"{pool}:1:" in heard and "no file" not in heard
    inside = 'a extends Domain { hostname "a"; memroy 5; }'
    pool.write_text(f"{DOMAINS}sfConfig extends Compound {{ {inside} }}")
    assert nmctl("sf", "plan", "web", str(pool), status=2).out.splitlines()[:4] == [
        f"warning: {pool}:2:62: Domain knows no memroy (in sfConfig:a)",
        f"    sfConfig extends Compound {{ {inside} }}",
        f"    {'^':>62}",
        "    did you mean memory?",
    ]
    pool.write_text(
        f"{COMMON}sfConfig extends Compound {{ a extends Guest {{ x LAZY b; }} b extends Guest; }}"
    )
    warned = nmctl("sf", "plan", "web", str(pool), status=2).out.splitlines()[0]
    assert warned.startswith(
        f"warning: {pool}:3:31: a: it needs b, which stands behind it and is made first; "
    )
    pool.write_text(f'a "{"x" * (1 << 20)}";\nsfConfig extends Compound;')
    assert "are the most" in nmctl("sf", "apply", "web", str(pool), "--yes", status=2).err
    nmctl("sf", "status", "web", status=5)
    nmctl("sf", "terminate", "web", status=5)


def smartfrogs_words(nmctl: Nmctl, folder: Path) -> None:
    """`start`, `stop` and `run` wait, and name hosts as SmartFrog does."""
    pool = folder / "pool.sf"
    pool.write_text(f'{COMMON}sfConfig extends Guest {{ hostname "a"; }}')
    nmctl("sf", "start", "nowhere", "web", str(pool), status=4)
    assert nmctl.rack.service is not None
    for host in ("vm", "localhost"):
        nmctl("sf", "start", host, "web", str(pool))
        assert nmctl.one("GetDescriptions", name="web")["state"] == "running"
        assert nmctl.rack.call("GetComponents", "web")[0]["host"] == host.replace("localhost", "")
    nmctl("sf", "run", str(pool))
    assert nmctl.one("GetDescriptions", name="pool")["state"] == "running"
    nmctl("sf", "stop", "localhost", "web")
    assert [one["name"] for one in nmctl.rack.call("GetDescriptions", {})] == ["pool"]
    words = ("start", "terminate", "parse", "run")
    assert all(callable(getattr(smartfrog, word)) for word in words)


def pictures_of_descriptions(nmctl: Nmctl, folder: Path) -> None:
    """They need no daemon."""
    nmctl.rack.stop()
    pool, picture = folder / "pool.sf", folder / "pool.svg"
    inside = 'a extends Compound { d extends Domain { hostname "d"; storageBackend LAZY ATTRIB l; } }'
    disk = 'l extends Compound { x extends LoopbackStorageBackend { baseImage "deb"; } }'
    pool.write_text(f"{DOMAINS}sfConfig extends Compound {{ {disk} {inside} }}")
    dot = nmctl("sf", "graph", str(pool), "--dot").out
    assert '-> n1 [label="storageBackend", lhead=cluster_n1];' in dot
    nmctl("sf", "graph", str(pool), "-o", str(picture))
    drawn = ET.parse(picture).getroot()
    texts = {text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert {"sfConfig", "Compound", "d", "Domain", "storageBackend"} <= texts
    pool.write_text("sfConfig extends Nothing;")
    nmctl("sf", "graph", str(pool), status=2)


def domains_as_descriptions(nmctl: Nmctl, folder: Path) -> None:
    """What virsh dumpxml writes becomes a description that holds together."""
    source, pool = folder / "web.xml", folder / "pool.sf"
    source.write_text(XML)
    nmctl("sf", "import", str(source), "--on", "h1", "-o", str(pool))
    text = pool.read_text()
    assert nmctl("sf", "fmt", str(pool)).out == text
    found = nmctl("sf", "resolve", str(pool), "--json").json["result"]["attributes"]
    assert found["sfProcessHost"] == "h1"
    domain, disk = found["web.1"]["attributes"], found["web.1-disk"]["attributes"]
    assert (domain["memory"], domain["vcpus"], domain["bridge"]) == (1024, 2, "br0")
    assert domain["storageBackend"]["reference"].startswith("LAZY")
    assert (disk["baseImage"], disk["keepOnTerminate"]) == ('/images/"web".img', True)
    for left in ("disk 2", "hostdev", "on_crash preserve"):
        assert f"// not taken over: {left}" in text
    nmctl("sf", "check", str(pool))
    source.write_text("<domain/>")
    nmctl("sf", "import", str(source), status=2)
    source.write_text("<!DOCTYPE x [<!ENTITY e 'x'>]><domain><name>&e;</name></domain>")
    nmctl("sf", "import", str(source), status=2)
    _domains_of_hosts(nmctl, folder)


def _domains_of_hosts(nmctl: Nmctl, folder: Path) -> None:
    """Domains that a host has become a description, and components, and are let go again."""
    standin.clear()
    pool = folder / "pool.sf"
    nmctl("sf", "import", "--source", "vm", status=2)
    nmctl("sf", "import", "--all", status=2)
    nmctl("sf", "import", "--source", "vm", "nobody", status=5)
    nmctl("sf", "import", "--source", "vm", "--all", "-o", str(pool))
    text = pool.read_text()
    assert 'sfProcessHost "vm";' in text and "test extends Domain {" in text
    assert nmctl("sf", "import", "--source", "vm", "test").out == text
    without_disk = re.sub(r"  test-disk .*?\n  }\n|    storageBackend .*?\n", "", text, flags=re.DOTALL)
    pool.write_text(without_disk)  # which is in none of the folders
    found = nmctl("sf", "plan", "old", str(pool), "--adopt", status=2).out
    assert "*   adopt test (Domain) on vm" in found and "1 to create, 1 to adopt" in found
    again = next(line for line in found.split("\n") if "to do just this" in line)
    assert " --adopt --if-plan " in again
    changes = nmctl("sf", "plan", "old", str(pool), "--adopt", "--json", status=2).json["result"]["changes"]
    assert {change["path"]: change["action"] for change in changes} == {"sfConfig": "create", "test": "adopt"}
    assert "adopt" not in nmctl("sf", "plan", "old", str(pool), status=2).out
    nmctl("sf", "apply", "old", str(pool), "--yes", "--wait", status=7)
    nmctl("sf", "terminate", "old", "--force", "--wait")
    nmctl(*again.partition("nmctl ")[2].split(), "--wait")
    assert "test (Domain) on vm: running" in nmctl("sf", "status", "old").out
    nmctl("sf", "import", "--source", "vm", "test", status=6)
    nmctl("sf", "import", "--source", "vm", "--all", status=5)
    nmctl("sf", "terminate", "old", "--wait")
    assert nmctl("sf", "import", "--source", "vm", "test").out == text
