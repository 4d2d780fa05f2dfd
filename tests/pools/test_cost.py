"""A pool's life costs its worker what its parts cost: an event costs the same, however many they are."""

import time

import pytest

from tests.memory_store import MemoryStore
from tests.pools.answered import Answered

INCLUDED = '#include "ch/cern/openlab/smartdomains/components.sf"'
FEW, TIMES = 150, 4
MOST = 2.0  # times what it would be when each part cost the same; all looked at behind each event: 4


def pool(count: int, hosts: int) -> str:
    """A description of so many domains with a disk each, on so many hosts; 0: on the only one."""
    disk = 'b{0} extends LoopbackStorageBackend {{ baseImage "/data/image"; }}'
    pair = disk + 'd{0} extends Domain {{ hostname "h{0}"; storageBackend LAZY ATTRIB b{0}; }}'
    pairs = [pair.format(n) for n in range(count)]
    if not hosts:
        return f"{INCLUDED} sfConfig extends Compound {{ {' '.join(pairs)} }}"
    on = [
        f'h{n} extends Compound {{ sfProcessHost "host{n}"; {" ".join(pairs[n::hosts])} }}'
        for n in range(hosts)
    ]
    return f"{INCLUDED} sfConfig extends Compound {{ {' '.join(on)} }}"


def lived(count: int, hosts: int) -> tuple[float, float]:
    """Seconds of the processor for deploying so many domains and disks, and for taking them down."""
    world = Answered(MemoryStore(), hosts)
    world.apply(pool(count, hosts))
    begun = time.thread_time()
    world.work()
    deployed = time.thread_time()
    assert world.state == "running"
    world.terminate()
    world.work()
    assert world.state == ""
    return deployed - begun, time.thread_time() - deployed


@pytest.mark.parametrize("hosts", [0, 30])
def test_a_life_of_many_costs_each_what_one_of_few_costs(hosts: int) -> None:
    few, many = lived(FEW, hosts), lived(FEW * TIMES, hosts)
    for of_few, of_many in zip(few, many, strict=True):
        assert of_many < MOST * TIMES * of_few
