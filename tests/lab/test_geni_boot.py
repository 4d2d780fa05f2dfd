"""A lab that is an aggregate, and whose nodes are machines that boot: `make test-geni`, for it takes minutes.

Each slice gets a head node; its nodes boot from that when they are provisioned, and are switched by actions.
"""

import os
import re
from collections.abc import Iterator

import pytest

from nm.lab import federation, lifecycle, watch, world
from nm.lab.layout import WORLD, Layout
from nm.lab.place import obstacle
from nm.lab.running import INSIDE
from tests.lab.conftest import api
from tests.lab.geni import Federated, Person, federated, urn
from tests.lab.test_geni import READY, a_lan

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

LAYOUT = Layout(switches=2, nodes=2, headnodes=1, boot=True, geni=True)
HEAD = "h1"
PATIENCE = 300.0  # seconds: machines are emulated


@pytest.fixture(scope="module")
def lab() -> Iterator[Federated]:
    if "NM_TEST_GENI" not in os.environ:
        pytest.skip("`make test-geni` runs it")
    if (why := obstacle(boot=True)) is not None:
        pytest.skip(str(why))
    with federated(f"test-geni-boot-{os.getpid()}", LAYOUT) as lab:
        yield lab


def states(person: Person) -> set[str]:
    return {state for _, state in person.status().values()}


def powers(lab: Federated) -> list[str]:
    """Of the nodes, as libvirt has them."""
    running = lifecycle.running_domains(lab.lab)
    return ["on" if name in running else "off" for name in lab.nodes]


def test_nodes_boot_when_they_are_provisioned_and_are_switched_by_actions(lab: Federated) -> None:
    alice = lab.people["alice"]
    alice.call("Allocate", alice.slice_urn, a_lan("one", "two"))
    users = [{"urn": urn("user", "alice"), "keys": [alice.key]}]
    alice.call("Provision", [alice.slice_urn], options={"geni_users": users})
    for node in lab.lab.layout.rack:
        watch.until(lambda node=node: watch.called_home(lab.lab, node, HEAD), PATIENCE, f"{node.name} boots")  # type: ignore[misc]
    watch.until(lambda: states(alice) == {READY}, PATIENCE, "slivers are ready")
    assert powers(lab) == ["on", "on"]
    with api(lab.lab) as nm:
        assert [group["headnode"] for group in nm.GetGroups({})] == [HEAD]
    _enters(lab, alice)
    for action, state, power in (("geni_stop", "geni_notready", "off"), ("geni_start", READY, "on")):
        alice.call("PerformOperationalAction", [alice.slice_urn], action)
        watch.until(lambda state=state: states(alice) == {state}, PATIENCE, state)  # type: ignore[misc]
        assert powers(lab) == [power, power]
    alice.call("Delete", [alice.slice_urn])
    watch.until(lambda: lab.free() == lab.nodes, PATIENCE, "all is given back")
    assert powers(lab) == ["off", "off"]


def _enters(lab: Federated, person: Person) -> None:
    """From the world, by the key and the way that the manifest names, into the account of the slice."""
    text = person.call("Describe", [person.slice_urn])["geni_rspec"]
    (account,) = set(re.findall(r'username="(alpha-\w+)"', text))
    key = f"{INSIDE}/{federation.FOLDER}/users/{person.name}/id_ed25519"
    way = ["--host", f"ssh://{account}@{world.HOST}", "--identity", key]
    assert account in lab.lab.run(["nmctl", *way, "group", "list"], WORLD)
