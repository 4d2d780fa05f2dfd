"""What dialects share whose commands for VLANs and ports come from networking-generic-switch (ngs.py).

A family is nm's part of such a dialect: how it is logged in to, entered and left, how a port is closed and
opened, how the switch is saved, and above all how it is read. None is a dialect by itself.
"""

from typing import ClassVar

from nm.switches.dialect import Dialect, Lines


class Family(Dialect):
    """Without recipes for what a port carries."""

    settle: ClassVar[Lines] = ()  # what is said behind every change
    make_vlan: ClassVar[Lines] = ()
    remove_vlan: ClassVar[Lines] = ()
    access: ClassVar[Lines] = ()
    tagged: ClassVar[Lines] = ()
    both: ClassVar[Lines] = ()
    empty: ClassVar[Lines] = ()
    add: ClassVar[Lines] = ()
    remove: ClassVar[Lines] = ()
    no_native: ClassVar[Lines] = ()
