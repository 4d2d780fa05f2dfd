"""The kinds of BMCs that a lab may have: each switches its machine, and says what it boots from."""

import os
from itertools import count

import pytest

from nm.lab import lifecycle
from nm.lab.bmc import KINDS
from nm.lab.layout import Layout
from nm.lab.place import obstacle
from nm.lab.register import finish
from tests.boot.conftest import api

_numbers = count(1)


@pytest.mark.real
@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", KINDS)
def test_nm_switches_a_machine_by_its_bmc(kind: str) -> None:
    if (why := obstacle(boot=True)) is not None:
        pytest.skip(str(why))
    name = f"test-bmc-{os.getpid()}-{next(_numbers)}"
    try:
        lab = lifecycle.up(name, Layout(switches=1, nodes=2, headnodes=0, boot=True, bmc=kind))
        with api(lab) as nm:
            for action, after in (("pxe", "off"), ("on", "on"), ("cycle", "on")):
                assert finish(nm, nm.PowerNode("n2", action), 60)["result"] == after
        virsh = ("virsh", "-q", "-c", "qemu:///system")
        assert lab.run([*virsh, "list", "--name"]).split() == ["n2"]
        described = lab.run([*virsh, "dumpxml", "n2"])
        assert "<boot dev='network'/>" in described or "<boot order='1'/>" in described
    finally:
        lifecycle.down(name)
