"""The demo's act of federation, in labs of its own: people from elsewhere reserve nodes, and use them.

They come with certificates of a clearing house of the lab's own. Two of them have slices at the same time;
and one has nodes that boot.
"""

import os
import time

from nm.demo.guests import Guest
from nm.demo.show import Matrix, Show
from nm.lab import federation, lifecycle, probe, watch
from nm.lab.layout import Layout
from nm.lab.place import Lab

APART = Layout(switches=2, nodes=5, headnodes=0, geni=True)
BOOTING = Layout(switches=2, nodes=2, headnodes=1, boot=True, geni=True)
HEAD = "h1"
PATIENCE, BOOTED = 60.0, 300.0  # seconds
REQUEST, KEY = "pair.xml", "id_ed25519.pub"
PAIR = """\
<rspec xmlns="http://www.geni.net/resources/rspec/3" type="request">
  <node client_id="left"><interface client_id="left:0"/></node>
  <node client_id="right"><interface client_id="right:0"/></node>
  <link client_id="lan"><interface_ref client_id="left:0"/><interface_ref client_id="right:0"/></link>
</rspec>
"""


def play(show: Show) -> bool:
    """Whether who has nodes of one slice, and nobody else, reaches each other."""
    alice, bob = federation.PEOPLE
    show.act(
        "h. Federation",
        f"{alice} and {bob} come from elsewhere, with certificates of GENI's. Each gets two of five nodes.",
    )
    show.say(f"Here am is `nmctl geni -a {federation.URL}`.")
    with lifecycle.passing(f"demo-geni-{os.getpid()}", APART) as lab:
        return _apart(lab, show, *_guests(lab, show))


def boot(show: Show) -> bool:
    """Whether nodes boot by being provisioned."""
    show.act("j. Federation, and nodes that boot", "What is provisioned is wired, and switched on.")
    with lifecycle.passing(f"demo-geni-boot-{os.getpid()}", BOOTING) as lab:
        return _booted(lab, show, _guests(lab, show)[0])


def _guests(lab: Lab, show: Show) -> list[Guest]:
    guests = [Guest(lab, show, name) for name in federation.PEOPLE]
    for guest in guests:
        guest.write(REQUEST, PAIR)
    return guests


def _apart(lab: Lab, show: Show, alice: Guest, bob: Guest) -> bool:
    guests = (alice, bob)
    alice.does("listresources", "--available")
    for guest in guests:
        guest.does("allocate", guest.slice, REQUEST, "--end-time", "+10m")
    good = _seen(lab, show, "Allocated is not wired", {})
    for guest in guests:
        guest.does("provision", guest.slice, "--ssh-key", KEY)
    for guest in guests:
        watch.until(guest.is_ready, PATIENCE, f"{guest.slice} is ready")
        guest.does("status", guest.slice)
    homes = {guest.slice: list(guest.status()) for guest in guests}
    good = _seen(lab, show, "Two slices, two networks", homes) and good
    alice.does("renew", alice.slice, "+2d")
    good = bob.fails("delete", alice.slice, "-r", f"../{alice.name}/{alice.slice}-cred.xml") and good
    for guest in guests:
        guest.does("delete", guest.slice)
    watch.until(lambda: len(alice.free()) == lab.layout.nodes, PATIENCE, "all nodes are free")
    return _seen(lab, show, "All is given back", {}) and good


def _seen(lab: Lab, show: Show, words: str, homes: dict[str, list[str]]) -> bool:
    """Every node pings every other one: whether that is as slices say."""
    nodes = [node.name for node in lab.layout.rack]
    show.say(f"\n  {words}.")
    rows = probe.reached(lab, {one: [other for other in nodes if other != one] for one in nodes})
    seen = {(one, other) for one, others in rows.items() for other in others or ()}
    wanted = {(one, other) for home in homes.values() for one in home for other in home if one != other}
    matrix = Matrix(nodes, homes, set(), seen, seen - wanted, wanted - seen)
    show.matrix(matrix)
    return matrix.good


def _booted(lab: Lab, show: Show, alice: Guest) -> bool:
    alice.does("allocate", alice.slice, REQUEST)
    began = time.monotonic()
    alice.does("provision", alice.slice, "--ssh-key", KEY)
    states: list[str] = []

    def home() -> bool:
        now = ", ".join(f"{node} {state}" for node, state in sorted(alice.status().items()))
        if now not in states[-1:]:
            states.append(now)
            show.say(f"  {time.monotonic() - began:4.0f} s  {now}")
        return all(watch.called_home(lab, node, HEAD) for node in lab.layout.rack)

    watch.until(home, BOOTED, "the nodes boot from their head node")
    show.say(f"  {time.monotonic() - began:4.0f} s  {HEAD} has heard both nodes: they have booted from it")
    alice.does("describe", alice.slice)
    good = alice.is_ready()
    alice.does("delete", alice.slice)
    watch.until(lambda: len(alice.free()) == lab.layout.nodes, BOOTED, "both nodes are free")
    return good
