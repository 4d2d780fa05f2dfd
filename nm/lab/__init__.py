"""A rack on this machine, in namespaces of its own: `nmctl lab up|exec|status|down`.

Open vSwitch switches, nodes that are network namespaces, head nodes that are small QEMU domains, and
an nmd that drives them, all real and none of it seen by the machine's own network, Open vSwitch or
libvirt. For trying nm out, for the demo and for tests. nmctl loads it only when asked for; it is a
client of the API and imports no room of the daemon.

    layout     what a rack of a given size looks like           place      where a lab lies, the way into it
    holder     the process that holds the namespaces            rack       builds what is in them
    guest      the head nodes' kernel, image and domain         daemon     the lab's nmd
    register   tells nmd of the rack                            probe      who reaches whom
    lifecycle  up and down                                      commands   `nmctl lab`

With slivers: confinement (control groups), world (their network), slices, plc, authority, source (who tells
of them), tree (what they are made from), door and sessions (how people enter), measure (what they get).
"""

from nm.lab.commands import add_arguments, parse, run

__all__ = ["add_arguments", "parse", "run"]
