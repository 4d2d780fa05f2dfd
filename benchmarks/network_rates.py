"""How fast slivers really send that are held to a rate, alone, two under one cap, and to exempt networks.

Slivers are namespaces on a bridge; as root, in a network namespace of its own. Both ways are measured: by the
port that leads out, and by the bridge that routes.
"""

import os
from concurrent.futures import ThreadPoolExecutor

from benchmarks.promises import Row, show
from nm.rspec import node_caps
from tests.slivers.making import NOW
from tests.slivers.network import EXEMPT, NETWORKS, WORLD, Net, Node, Place, network, sent_rate

SECONDS = 8.0
MEGABIT = 1e6


def measure(way: str) -> list[Row]:
    """One way to hang the tree."""
    with network(way == "routed") as net:
        node = Node(way)
        one, two = net.plug(1), net.plug(2)
        node.run(1, net_max=5_000_000)
        node.run(2)
        node.look()
        rows = [Row(f"{way}: 5 Mbit/s", _rate(net, one), 4.5, 5.2)]
        node.put(node_caps(12_000_000, NETWORKS, NOW))
        node.run(1, net_share=1)
        node.run(2, net_share=2)
        node.look()
        first, second = _both(net, one, two)
        rows += [
            Row(f"{way}: 1 share of a cap of 12 Mbit/s", first, 4 * 0.85, 4 * 1.15),
            Row(f"{way}: 2 shares of it", second, 8 * 0.85, 8 * 1.15),
            Row(f"{way}: to an exempt network", _rate(net, one, EXEMPT), 50, 100_000),
        ]
        return rows


def _rate(net: Net, sender: Place, address: str = WORLD) -> float:
    return sent_rate(sender, net.world, address, SECONDS) / MEGABIT


def _both(net: Net, one: Place, two: Place) -> list[float]:
    """Both at once."""
    with ThreadPoolExecutor(2) as threads:
        pairs = ((one, 5001), (two, 5002))
        rates = [threads.submit(sent_rate, place, net.world, WORLD, SECONDS, port) for place, port in pairs]
        return [rate.result() / MEGABIT for rate in rates]


def main() -> bool:
    """Measure and print; True when a rate is not as promised."""
    if os.geteuid():
        print("needs root; left out")
        return False
    rows = [row for way in ("uplink", "routed") for row in measure(way)]
    return show("slivers that send as fast as they may, Mbit/s of payload", rows)


if __name__ == "__main__":
    raise SystemExit(main())
