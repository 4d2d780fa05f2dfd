"""The story in its short form: one head node, one node, from Deploy to "node called home"."""

import time

import pytest

from nm.lab import bmc, watch
from tests.boot.conftest import HEAD, PATIENCE, Up, api, deployed

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


def test_a_node_boots_from_its_head_node_and_calls_home(up: Up) -> None:
    lab = up(1)
    node = lab.layout.rack[0]
    began = time.monotonic()
    with api(lab) as nm:
        deployed(nm, "alpha", [node.name])
    watch.until(lambda: watch.called_home(lab, node, HEAD), PATIENCE, "the node calls home")
    print(f"\nfrom Deploy to 'node called home': {time.monotonic() - began:.1f} s")
    assert f"address {node.address} from " in watch.node_said(lab, node)
    assert f"linky: {node.name} was power-cycled" in watch.head_said(lab, HEAD)
    assert bmc.password(lab) not in watch.head_said(lab, HEAD)
