"""Random sequences of changes: the switch's tables, running and startup, are always what was asked for.

The same for every kind of switch that can be read past its driver. A model says what each port must carry
after a run; the seeds are fixed, so that a failure comes again.
"""

import os
import random
from collections.abc import Iterator

import pytest

from nm.facts import Order
from nm.switch import PortState
from tests.switches.benches import EPOCH, Bench, CliBench, done, join, leave, no_trunk, no_vlan, trunk, vlan

SEEDS = range(10 if os.environ.get("NM_TEST_SWITCHES") == "all" else 1)
RUNS = 12 if len(SEEDS) > 1 else 6
VLANS = range(101, 107)
NATIVE = 7


class Model:
    """What the ports of a switch, of which the last two are trunks, must carry."""

    def __init__(self, ports: list[str], chance: random.Random) -> None:
        self.nodes, self.trunks = ports[:-2], ports[-2:]
        self.chance = chance
        self.ports = dict.fromkeys(ports, PortState())
        self.vlans: set[int] = set()

    def run(self) -> list[Order]:
        """Some random orders that belong together; the model is then as they want it."""
        orders = [*self._ports(), *self._trunks()]
        needed = {vlan for state in self.ports.values() for vlan in (state.untagged, *state.tagged) if vlan}
        orders += [vlan(number) for number in sorted(needed - self.vlans)]
        idle = sorted(self.vlans - needed)
        gone = [number for number in idle if self.chance.random() < 0.5]
        orders += [no_vlan(number) for number in gone]
        self.vlans = (self.vlans | needed) - {*gone}
        self.chance.shuffle(orders)
        return orders

    def _ports(self) -> Iterator[Order]:
        for port in self.chance.sample(self.nodes, self.chance.randint(1, len(self.nodes))):
            tagged = self.chance.sample(VLANS, self.chance.choice([0, 0, 0, 1, 3]))
            free = [number for number in VLANS if number not in tagged]
            untagged = self.chance.choice(free) if self.chance.random() < 0.7 else None
            self.ports[port] = PortState(untagged, tuple(sorted(tagged)))
            yield join(port, untagged, *tagged) if not self.ports[port].isolated else leave(port)

    def _trunks(self) -> Iterator[Order]:
        for port in self.trunks:
            before = {*self.ports[port].tagged}
            for number in self.chance.sample(VLANS, self.chance.randint(0, 3)):
                yield no_trunk(port, number, NATIVE) if number in before else trunk(port, number, NATIVE)
                before ^= {number}
            self.ports[port] = PortState(None, tuple(sorted(before)))


@pytest.mark.no_cover
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
def test_tables_are_as_asked_for_whatever_comes(bench: Bench, seed: int) -> None:
    bench.executor.isolate(bench.ports, EPOCH)
    model = Model(bench.ports, random.Random(seed))
    for number in range(RUNS):
        orders = model.run()
        if number % 4 == 3:
            bench.executor.close()  # another session goes on
        done(bench, *orders)
        assert bench.table() == model.ports
        if isinstance(bench, CliBench):
            assert bench.startup() == model.ports
            assert {*bench.switch.vlans()} - bench.own_vlans == model.vlans
            assert {*bench.switch.startup_vlans()} - bench.own_vlans == model.vlans


@pytest.mark.no_cover
@pytest.mark.timeout(300)
def test_what_others_do_in_between_is_put_right(bench: Bench) -> None:
    chance = random.Random(4)
    bench.executor.isolate(bench.ports, EPOCH)
    model = Model(bench.ports, chance)
    for _ in range(RUNS):
        done(bench, *model.run())
        victim = chance.choice(model.nodes)
        bench.put(
            victim, chance.choice([PortState(105), PortState(None, (101, 102)), PortState(1, open=True)])
        )
        wanted = model.ports[victim]
        again = leave(victim) if wanted.isolated else join(victim, wanted.untagged, *wanted.tagged)
        done(bench, again, *(vlan(number) for number in sorted(model.vlans)))
        assert bench.table() == model.ports
