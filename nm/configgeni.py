"""The sections of the configuration about people of elsewhere: by what rules they reserve, and GENI's door.

Ground, pure. The rules hold for all doors of federation.
"""

from dataclasses import dataclass

from nm.configkeys import (
    account_name,
    addresses,
    authority_or_empty,
    between,
    choices,
    country_or_empty,
    host_or_empty,
    key,
    one_of,
    path,
    url_or_empty,
)

DAY = 86400
MOST = 1_000_000
NOTICES = ("Allocate", "Provision", "Renew", "PerformOperationalAction", "Delete", "Shutdown")


@dataclass(frozen=True)
class Federation:
    """Reservations by people of elsewhere, through GENI's door or BOWL's (docs/geni.md)."""

    authority: str = key(
        "",
        "This aggregate's authority among GENI's names, as example.org:lab; \"\": nm.HOSTNAME.",
        authority_or_empty,
    )
    owner: str = key(
        "root", "The Unix account that owns the groups of reservations.", account_name, live=True
    )
    provision: str = key(
        "auto",
        "Who sets up what is provisioned: auto, nm does; manual, an operator does, and says so.",
        one_of("auto", "manual"),
        live=True,
    )
    allocated_seconds: int = key(
        600, "How long a node is allocated when no end is asked for.", between(1, 365 * DAY), live=True
    )
    provisioned_seconds: int = key(
        7 * DAY, "How long it is provisioned then.", between(1, 365 * DAY), live=True
    )
    longest_seconds: int = key(
        0,
        "Longest time from a call to the end that it asks for; 0 for no limit.",
        between(0, 2**31),
        live=True,
    )
    nodes_per_slice: int = key(0, "Most nodes of one slice; 0 for no limit.", between(0, MOST), live=True)
    nodes_per_person: int = key(0, "Most nodes of one person.", between(0, MOST), live=True)
    slices_per_person: int = key(0, "Most slices of one person.", between(0, MOST), live=True)
    headnodes: bool = key(False, "Whether each slice gets a head node that is free.", live=True)
    hostname: str = key("", 'How people reach this machine; "": by its own name.', host_or_empty, live=True)
    login: str = key("root", "Who people are on their nodes, as manifests tell it.", account_name, live=True)
    country: str = key(
        "", 'Where the nodes are, as ISO 3166 has it: DE; "": it is not told.', country_or_empty, live=True
    )
    latitude: float = key(0.0, "Their latitude, in degrees.", between(-90, 90), live=True)
    longitude: float = key(0.0, "And their longitude.", between(-180, 180), live=True)
    notify: tuple[str, ...] = key(
        (), f"Of what administrators are told by mail: {', '.join(NOTICES)}.", choices(*NOTICES), live=True
    )


@dataclass(frozen=True)
class Geni:
    """GENI's door: its Aggregate Manager API, version 3, over TLS with client certificates (docs/geni.md)."""

    addresses: tuple[str, ...] = key(
        (),
        "Addresses to listen on; 0.0.0.0 is all of IPv4, :: all of IPv6; none: this door is shut.",
        addresses,
    )
    port: int = key(8001, "TCP port.", between(1, 65535))
    url: str = key(
        "", 'Its own address as clients have it; "": https://HOSTNAME:PORT.', url_or_empty, live=True
    )
    certificate: str = key(
        "/etc/nm/geni/server.pem", "File with the server's certificate, and the chain above it.", path
    )
    server_key: str = key("/etc/nm/geni/server.key", "File with its key.", path)
    roots: str = key(
        "/etc/nm/geni/roots", "Folder with the certificates of authorities that are trusted.", path
    )
    revoked: str = key("/etc/nm/geni/revoked", "Folder with their lists of revoked certificates.", path)
    sha1: bool = key(
        False,
        "Whether signatures over SHA-1 count, which many authorities still make; so do weak ciphers then.",
        live=True,
    )
    calls_at_once: int = key(
        16, "Calls that are answered at a time; more are told to come again.", between(1, 10_000), live=True
    )
    max_connections: int = key(256, "Connections at a time.", between(1, 10_000), live=True)
    max_connections_per_address: int = key(
        64,
        "Connections at a time from one address, or one network (/64) of IPv6.",
        between(1, 10_000),
        live=True,
    )
    request_seconds: float = key(
        30.0, "How long a request may take to arrive, from its first byte on.", between(0.1, 600), live=True
    )
    idle_seconds: float = key(
        120.0, "How long a connection may be silent between two requests.", between(0.1, DAY), live=True
    )
