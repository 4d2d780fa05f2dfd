"""What a door asks of its gate: who is at the other end of a connection, and how the two are to speak.

Faces only. `identity.Kernel` is the gate of doors on this machine, `tls.Guard` that of doors to the world;
the HTTP server (nm/http.py) is handed one and knows neither.
"""

import re
import socket
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol, TypeVar

Who_co = TypeVar("Who_co", covariant=True)


@dataclass(frozen=True)
class Visitor:
    """One connection, as the gate lets it in."""

    channel: socket.socket  # what is spoken on; other threads may shut it down
    key: Hashable  # connections with the same are counted together
    plain: bool = True  # whether words before `enter` are understood


class Gate(Protocol[Who_co]):
    """Who comes, and what for."""

    def greet(self, client: socket.socket) -> Visitor:
        """Whoever has just connected. Waits for nothing; OSError when it is gone already."""

    def enter(self, visitor: Visitor) -> None:
        """Whatever comes before the first request, in the connection's own thread. OSError when it fails."""

    def who(self, visitor: Visitor) -> Who_co:
        """Who that is now: rights may be given and taken while a connection lives."""

    def is_counted(self, visitor: Visitor) -> bool:
        """Whether it may have so many connections only."""

    def comes_first(self, visitor: Visitor) -> bool:
        """Whether the places that are kept free are kept for it."""

    def hosts(self, visitor: Visitor) -> re.Pattern[bytes] | None:
        """What its Host header must be; None when that says nothing here."""
