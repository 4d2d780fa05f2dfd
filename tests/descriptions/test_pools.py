"""The pools of the SmartDomains tutorial (addresses made legal), and what comes out of them."""

from nm import sflibrary
from nm.descriptions.compiler import PHASES, Description, behind
from nm.descriptions.compiler import compile as compile_description
from nm.descriptions.components import KINDS
from tests.descriptions.say import LIBRARY, meaning, mistakes, wrong

INCLUDES = """
#include "org/smartfrog/components.sf"
#include "ch/cern/openlab/smartdomains/components.sf"
#include "org/smartfrog/services/shellscript/components.sf"
#include "org/smartfrog/services/management/components.sf"
#include "org/smartfrog/sfcore/workflow/combinators/components.sf"
#include "ch/cern/openlab/util/schemas.sf"
"""
DOMAIN = """
DefaultXenDomain extends XenDomain {
  shell LAZY ATTRIB myShell;
  kernel "/boot/vmlinuz-2.6-xen";
  gateway "192.168.1.1";
  netmask "255.255.0.0";
}
"""
DISK = 'shell LAZY ATTRIB myShell; domainName "d"; baseImage "/data/slc3.img";'
LOOP = f"loop extends LoopbackStorageBackend {{ {DISK} }}"
LVM = (
    'lvm extends LVMStorageBackend { shell LAZY ATTRIB myShell; domainName "v"; baseImage "/data/slc3.img"; }'
)
ONE = """domain1 extends DefaultXenDomain {
  ip "192.168.1.2"; hostname "m9-dom1"; storageBackend LAZY ATTRIB loop; }"""
TWO = """domain2 extends DefaultXenDomain {
  ip "192.168.1.3"; hostname "m9-dom2"; storageBackend LAZY ATTRIB lvm; }"""
LOCAL = f"""{INCLUDES}{DOMAIN}
sfConfig extends Compound {{
  sfSyncTerminate true;
  myShell extends BashShell;
  {LOOP}
  {ONE}
  {LVM}
  {TWO}
}}
"""
DISTRIBUTED = f"""{INCLUDES}{DOMAIN}
PhysicalHost extends Compound {{ sfSyncTerminate true; myShell extends BashShell; }}
sfConfig extends Compound {{
  sfSyncTerminate true;
  console extends DeployManagement;
  computer1 extends PhysicalHost {{ sfProcessHost "machine9.cern.ch"; {LOOP} {ONE} {LVM} {TWO} }}
  computer2 extends PhysicalHost {{ sfProcessHost "machine10.cern.ch"; {LVM} {TWO} }}
}}
"""


def described(text: str) -> Description:
    return compile_description("pool.sf", text, library=LIBRARY)


def test_a_local_pool() -> None:
    pieces = described(LOCAL).pieces()
    assert [(piece.path, piece.kind, piece.needs) for piece in pieces] == [
        ((), "Compound", {}),
        (("myShell",), "Shell", {}),
        (("loop",), "LoopbackStorageBackend", {"shell": ("myShell",)}),
        (("domain1",), "XenDomain", {"shell": ("myShell",), "storageBackend": ("loop",)}),
        (("lvm",), "LVMStorageBackend", {"shell": ("myShell",)}),
        (("domain2",), "XenDomain", {"shell": ("myShell",), "storageBackend": ("lvm",)}),
    ]
    assert pieces[3].attributes == {
        "sfClass": "nm.XenDomain",
        "shell": {"reference": "LAZY myShell"},
        "kernel": "/boot/vmlinuz-2.6-xen",
        "gateway": "192.168.1.1",
        "netmask": "255.255.0.0",
        "ip": "192.168.1.2",
        "hostname": "m9-dom1",
        "storageBackend": {"reference": "LAZY loop"},
    }
    line = LOCAL[: LOCAL.index("domain1 extends")].count("\n") + 1
    column = LOCAL.split("\n")[line - 1].index("extends") + 1
    assert pieces[3].written == ("pool.sf", line, column)


def test_a_domain_is_what_it_would_be_without_its_prototype() -> None:
    """The tutorial says what `extends` means by this very example."""
    spelled = DOMAIN.replace("DefaultXenDomain extends XenDomain", "domain1 extends XenDomain").replace(
        "}", 'ip "192.168.1.2"; hostname "m9-dom1"; storageBackend LAZY ATTRIB loop; }'
    )
    assert meaning(f"{INCLUDES}{DOMAIN} sfConfig extends {{ {ONE} }}") == meaning(
        f"{INCLUDES} sfConfig extends {{ {spelled} }}"
    )


def test_a_distributed_pool() -> None:
    pieces = {piece.path: piece for piece in described(DISTRIBUTED).pieces()}
    assert len(pieces) == 12
    assert pieces["console",].kind == "DeployManagement"
    assert pieces["computer2", "domain2"].needs == {
        "shell": ("computer2", "myShell"),
        "storageBackend": ("computer2", "lvm"),
    }
    assert pieces["computer1",].attributes["sfProcessHost"] == "machine9.cern.ch"


def test_a_pool_of_pairs_at_once() -> None:
    """What the tutorial advises, so that no domain waits for one on another host."""
    pair = f"sd extends Compound {{ sfSyncTerminate true; {LOOP} {ONE} }}"
    text = f"""{INCLUDES}{DOMAIN} sfConfig extends Compound {{ myShell extends BashShell;
        pool extends Parallel {{ asynchCreateChild true; {pair} }} }}"""
    pieces = {piece.path: piece for piece in described(text).pieces()}
    assert pieces["pool",].kind == "Parallel"
    assert pieces["pool", "sd", "domain1"].needs["storageBackend"] == ("pool", "sd", "loop")


def test_defaults_and_a_selection_in_files_of_their_own() -> None:
    storage = "DefaultStorage extends LoopbackStorageBackend { shell LAZY ATTRIB myShell; baseImage TBD; }"
    defaults = f"{INCLUDES}{DOMAIN} {storage}"
    selection = """#include "defaultPool.sf"
        Storage extends DefaultStorage { baseImage "/data/slc3.img"; }
        Guest extends DefaultXenDomain { memory 512; vcpus 2; }"""
    remote = """#include "selection.sf"
        sfConfig extends Compound { sfProcessHost host; [sfTemp] host "machine9.cern.ch";
            myShell extends BashShell;
            loop extends Storage;
            guest extends Guest { hostname "g"; ip ("192.168.1." ++ n); [sfTemp] n 7;
                storageBackend LAZY ATTRIB loop; }
            guest:memory (512 * 2); }"""
    said = meaning(remote, defaultPool_sf=defaults, selection_sf=selection)
    assert 'sfProcessHost "machine9.cern.ch"; myShell' in said
    assert 'memory 1024; vcpus 2; hostname "g"; ip "192.168.1.7"; storageBackend LAZY loop; }' in said
    assert "host " not in said.replace("sfProcessHost ", "")


def test_nodes_and_domains_in_one_text() -> None:
    text = """#include "nm/components.sf"
        sfConfig extends Group { vlan 101;
            n1 extends Node { node "n1"; } head extends HeadNode { headNode "h1"; }
            guest extends Domain { hostname "g"; } }"""
    assert [piece.kind for piece in described(text).pieces()] == ["Group", "Node", "HeadNode", "Domain"]


def test_data_is_not_deployed_and_what_it_needs_is_the_holders() -> None:
    text = (
        "sfConfig extends { a extends DATA { b extends { } c LAZY x:y; } x extends { y 1; } l LAZY nowhere; }"
    )
    pieces = described(text).pieces()
    assert [piece.path for piece in pieces] == [(), ("x",)]
    assert pieces[0].needs == {"a:c": ("x",), "l": None}
    assert pieces[0].attributes["a"]["data"] is True


def test_an_eager_link_makes_a_second_component() -> None:
    """Why the tutorial writes LAZY."""
    text = "sfConfig extends { loop extends { } domain extends { storageBackend loop; } }"
    assert [piece.path for piece in described(text).pieces()] == [
        (),
        ("loop",),
        ("domain",),
        ("domain", "storageBackend"),
    ]
    assert wrong(LOCAL.replace("storageBackend LAZY ATTRIB loop", "storageBackend loop")) == (
        "storageBackend (the component that has its disk) is a component, and must be a lazy reference"
    )


def test_a_mistake_in_a_pool_is_told_with_its_place() -> None:
    text = LOCAL.replace('ip "192.168.1.3"', "ip adress").replace('hostname "m9-dom1"', "hostname 5")
    problems = mistakes(text).problems
    assert [(problem.message, problem.where) for problem in problems] == [
        ("hostname (the guest's name) is 5, and must be a string", "sfConfig:domain1"),
        ("no adress here, nor in any component around", "sfConfig:domain2"),
    ]
    line = text[: text.index("ip adress")].count("\n") + 1
    column = text.splitlines()[line - 1].index("ip adress") + 1
    assert (problems[1].file, problems[1].position) == ("test.sf", (line, column))
    assert str(problems[1]).splitlines()[1:3] == [
        "    " + text.splitlines()[line - 1],
        "    " + " " * (column - 1) + "^",
    ]


def test_every_text_of_the_library_is_good_and_in_canonical_use() -> None:
    for name in sflibrary.texts():
        assert behind("t", f'#include "{name}"\nsfConfig extends {{ }}', "function", library=LIBRARY).text()


def test_every_class_in_the_library_is_one_that_nm_knows() -> None:
    import re

    said = {name for text in LIBRARY.values() for name in re.findall(r'sfClass "([^"]+)"', text)}
    assert said == set(KINDS)


def test_all_that_is_wrong_with_a_component_is_told_at_once() -> None:
    text = f'{INCLUDES} sfConfig extends {{ d extends Domain {{ memory "a"; vcpus none; ip 5; }} }}'
    assert {problem.message for problem in mistakes(text).problems} == {
        "hostname (the guest's name) is missing",
        'memory (MiB) is "a", and must be an Integer',
        "ip (the guest's address) is 5, and must be a string",
        "no none here, nor in any component around",
    }


RESOLVED = """sfConfig extends {
  sfClass "org.smartfrog.sfcore.compound.CompoundImpl";
  sfSyncTerminate true;
  myShell extends {
    sfClass "org.smartfrog.services.shellscript.ScriptExecutionImpl";
    exec extends DATA {
      cmd [| "/bin/bash" |];
      echoCmd "echo";
      detach false;
      restart false;
      terminate true;
    }
  }
  loop extends {
    sfClass "nm.LoopbackStorageBackend";
    shell LAZY myShell;
    domainName "d";
    baseImage "/data/slc3.img";
  }
  domain1 extends {
    sfClass "nm.XenDomain";
    shell LAZY myShell;
    kernel "/boot/vmlinuz-2.6-xen";
    gateway "192.168.1.1";
    netmask "255.255.0.0";
    ip "192.168.1.2";
    hostname "m9-dom1";
    storageBackend LAZY loop;
  }
  lvm extends {
    sfClass "nm.LVMStorageBackend";
    shell LAZY myShell;
    domainName "v";
    baseImage "/data/slc3.img";
  }
  domain2 extends {
    sfClass "nm.XenDomain";
    shell LAZY myShell;
    kernel "/boot/vmlinuz-2.6-xen";
    gateway "192.168.1.1";
    netmask "255.255.0.0";
    ip "192.168.1.3";
    hostname "m9-dom2";
    storageBackend LAZY lvm;
  }
}
"""


def test_the_local_pool_resolved_is_this_text() -> None:
    assert described(LOCAL).text() == RESOLVED
    assert behind("pool.sf", LOCAL, "link", library=LIBRARY).text() == RESOLVED


def test_the_local_pool_behind_each_phase() -> None:
    text = {phase: behind("pool.sf", LOCAL, phase, library=LIBRARY).text() for phase in PHASES}
    assert "  domain1 extends DefaultXenDomain {\n    ip" in text["raw"]
    for phase in ("type", "place"):
        assert text[phase].count('phase.function "org.smartfrog.sfcore.languages.sf.ConstructSchema";') > 10
        assert "extends DefaultXenDomain" not in text[phase]
        assert text[phase].startswith("Function extends {")
    assert "sfDomainSchema ASSERT {" in text["function"]
    assert "DefaultXenDomain" in text["function"]
    assert text["sfConfig"].startswith("sfConfig extends {")
    assert "sfDomainSchema ASSERT {" in text["sfConfig"]
    assert "ASSERT" not in text["link"]
