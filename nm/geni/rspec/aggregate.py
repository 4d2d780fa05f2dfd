"""What this aggregate calls its things: names of nodes, interfaces, links and slivers as GENI has them. Pure.

All are names under the aggregate's own authority. Names of nm's things need no escapes, but for the NIC of a
node, whose two names have `:` between them.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from nm.errors import Invalid
from nm.geni import urns
from nm.geni.urns import Urn

MANAGERS = ("cm", "am")  # by custom the name of a component manager, and that of the aggregate manager

_NO_NAME = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True)
class Place:
    """Where machines stand."""

    country: str  # as in ISO 3166: DE
    latitude: float  # degrees
    longitude: float


@dataclass(frozen=True)
class Aggregate:
    """Who offers the resources."""

    authority: str  # as example.org:lab
    url: str = ""  # its address, below which it serves its schemas
    place: Place | None = None  # of the nodes whose metadata says no other

    @cached_property
    def manager(self) -> str:
        """The component manager's name, which every resource here has."""
        return str(Urn(self.authority, "authority", MANAGERS[0]))

    @cached_property
    def aggregate(self) -> str:
        """The aggregate manager's name."""
        return str(Urn(self.authority, "authority", MANAGERS[1]))

    def is_manager(self, text: str) -> bool:
        """Whether that is a name of this aggregate's."""
        found = self._mine(text, "authority")
        return found is not None and found.lower() in MANAGERS

    def node(self, name: str) -> str:
        """The component id of a node."""
        return f"{self._prefix('node')}{name}"

    def interface(self, node: str, nic: str) -> str:
        """The component id of a NIC."""
        return f"{self._prefix('interface')}{node}:{nic}"

    def link(self, switch: str) -> str:
        """The component id of a switch, which joins what is connected to it."""
        return f"{self._prefix('link')}{switch}"

    def image(self, name: str) -> str:
        """The name of an image that nodes boot."""
        return f"{self._prefix('image')}{name}"

    def sliver(self, *parts: str) -> str:
        """The name of a sliver, of what makes it unique for ever: group, node, since when it has it."""
        return f"{self._prefix('sliver')}{_NO_NAME.sub('-', '.'.join(parts))}"

    def node_of(self, text: str) -> str | None:
        """The node of that component id; None when it is no node of this aggregate's."""
        return self._mine(text, "node")

    def interface_of(self, text: str) -> tuple[str, str] | None:
        """The node and the NIC of that component id; None when it is no interface of this aggregate's."""
        node, _, nic = (self._mine(text, "interface") or "").replace("//", ":").partition(":")
        return (node, nic) if node and nic else None

    def image_of(self, text: str) -> str | None:
        """The image of that name: just its name here, or its URN. None when it is another aggregate's."""
        return self._mine(text, "image") if urns.is_geni(text) else text

    def _prefix(self, kind: str) -> str:
        return self._prefixes[kind]

    @cached_property
    def _prefixes(self) -> dict[str, str]:
        kinds = ("node", "interface", "link", "image", "sliver")
        return {kind: str(Urn(self.authority, kind, "x"))[:-1] for kind in kinds}

    def _mine(self, text: str, kind: str) -> str | None:
        """The name in a URN of that type and this authority."""
        try:
            urn = urns.parse(text.strip())
        except Invalid:
            return None
        mine = urn.type == kind and urn.key[0] == self.authority.lower()
        return urn.name if mine else None
