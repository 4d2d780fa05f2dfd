"""What a sliver's guest is made of and told, as the records and the configuration say now; and its hand.

Between the workers, who know subjects, and the hand of guests, who knows libvirt. Called by the service only.
"""

from functools import partial
from ipaddress import ip_interface
from pathlib import Path

from nm import libvirt_host, people, slivers
from nm.config import Config
from nm.errors import NotFound
from nm.guesthand import GuestHand
from nm.guestkeys import Guest, GuestKeys
from nm.guestmaking import MACHINE, Brief
from nm.records import Record, record_key
from nm.store import Reader, Store

TYPES = {"qemu:///system": "sliver.QEMU", "lxc:///system": "sliver.LXC"}  # what slivers are, by slivers.uri


def host_of(config: Config) -> slivers.Host:
    """What that configuration does with slivers."""
    found = config.slivers
    return slivers.Host(TYPES.get(found.uri), found.image, found.addresses)


def open_guests(config: Config, store: Store) -> GuestHand:
    """The hand of slivers' guests."""
    uri, keys = config.slivers.uri, GuestKeys(config.daemon.database)
    scratch = Path(config.export.folder).parent
    scratch.mkdir(parents=True, exist_ok=True)
    return GuestHand(
        {TYPES[uri]: uri},
        partial(brief, store, config, keys),
        pool=config.slivers.pool or None,
        emulate=config.slivers.emulate,
        scratch=scratch,
    )


def brief(reader: Reader, config: Config, keys: GuestKeys, name: str) -> Brief:
    """What that sliver's guest is made of and told. NotFound when something is not there."""
    record = reader.get(record_key("sliver", name))
    if record is None:
        raise NotFound(f"no sliver {name}", "its source may tell of it again")
    host = host_of(config)
    return Brief(
        image=_image(reader, record, host),
        folders=config.images.folders,
        hostname=slivers.hostname_of(record),
        keys=tuple(record["keys"]),
        initscript=record["initscript"],
        address=slivers.address_of(host, record.get("_index") or 0),
        gateway=str(ip_interface(host.addresses).ip) if host.addresses else None,
        place=_place(config.slivers.network),
        user=config.slivers.user,
        **_entry(reader, record, host, keys),
    )


def _image(reader: Reader, record: Record, host: slivers.Host) -> Record:
    name, problem = slivers.image_of(reader, record, host)
    image = reader.get(record_key("image", name)) if name is not None else None
    if image is None:
        raise NotFound(problem or f"no image {name}", "register it with RegisterImage")
    return image


def _place(network: str) -> dict[str, str] | None:
    """Where its NIC is: bridge:NAME or network:NAME."""
    kind, _, name = network.partition(":")
    return {kind: name} if name else None


def bridge_of(uri: str, place: str) -> str:
    """The bridge at `slivers.network`, which libvirt tells of its networks. DeviceFailed when it cannot."""
    kind, _, name = place.partition(":")
    if kind == "bridge":
        return name
    host = libvirt_host.connect(uri)
    try:
        return host.bridge_of(name)
    finally:
        host.close()


def _entry(reader: Reader, record: Record, host: slivers.Host, keys: GuestKeys) -> dict[str, str]:
    """The keys by which nm enters a machine, and knows it; a container is entered without."""
    account = people.sliver_account(reader, record["name"])
    if host.type != MACHINE or account is None:
        return {}
    guest = Guest(account["account"], account["id"], record.get("_life") or 1)
    return {
        "entry": keys.entry_public(guest),
        "host_key": keys.host_private(guest),
        "host_public": keys.host_public(guest),
    }
