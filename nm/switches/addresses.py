"""Addresses of switches: one machine each, by number, in the one spelling that stands for all. Pure.

Names are not looked up, so no name server can hold a switch up, and two spellings of one device are known
as one.
"""

import ipaddress

from nm.errors import Invalid

Number = ipaddress.IPv4Address | ipaddress.IPv6Address


def number(text: str) -> Number | None:
    """The address of one machine, written out in full; None when it is not that."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return None if found.is_unspecified or found.is_multicast else found


def canonical(text: str) -> str:
    """The address in its one spelling; Invalid when it is none."""
    found = number(text)
    if found is None:
        raise Invalid(
            f"{text!r} is no address of a machine", "use 192.0.2.1 or 2001:db8::1; names are not looked up"
        )
    return str(found)


def check_port(port: int) -> int:
    """The TCP port, when it is one; else Invalid."""
    if not 0 < port < 65536:
        raise Invalid(f"{port} is no TCP port", "use a port from 1 to 65535")
    return port
