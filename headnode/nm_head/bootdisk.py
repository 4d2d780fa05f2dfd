"""boot-disk: a machine that has installed itself boots from its disk from now on.

Its link goes, and nm is asked to let its firmware prefer the disk. As a command for any machine of the list;
over HTTP for the machine that asks, and no other: its MAC is told by the kernel's table of neighbours, or
by the DHCP lease.
"""

from __future__ import annotations

import os
import sys
import urllib.parse
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from nm_head import files, links, machines, state
from nm_head.door import Door
from nm_head.errors import HeadError, say
from nm_head.settings import Settings

_NEIGHBOURS = Path("/proc/net/arp")
_LARGEST_FORM = 4096


class RefusedError(HeadError):
    """It is not for this machine to say."""


def boot_disk(settings: Settings, names: Sequence[str], power: bool = True) -> None:
    """From now on these machines, named as in the list or by MAC, boot from their disks."""
    found = machines.read(settings.moc)
    for name in names:
        machine = next((one for one in found if name == one.name or _mac(name) == one.mac), None)
        if machine is None:
            raise HeadError(f"no machine {name[:70]} in the list", f"{settings.moc} has it")
        with state.locked(settings.state, links.LOCK), state.changing(settings.state) as known:
            own = [path for path in links.paths(machine.mac) if path in known.own]
            known.machines.setdefault(machine.mac, state.Known(machine.image.name if machine.image else ""))
            known.machines[machine.mac].disk = True
            for path in own:
                files.remove(settings.tftp / path)
            known.own = [path for path in known.own if path not in own]
        if power and machine.name:
            with closing(Door(settings)) as door:
                door.power(machine.name, "disk")


def asked(settings: Settings, address: str, query: str) -> str:
    """What the machine at that address asks for, by `mac=` or just so. Answers what is true now."""
    mac = _neighbour(address) or _leased(settings, address)
    if mac is None:
        raise RefusedError(f"nobody knows the machine at {address}")
    given = urllib.parse.parse_qs(query).get("mac", [mac])[-1]
    if _mac(given) != mac:
        raise RefusedError(f"{address} is {mac}, and may ask for itself only")
    boot_disk(settings, [mac], power=False)
    try:
        boot_disk(settings, [mac])
    except HeadError as error:  # its link is gone, which is enough
        say(f"boot-disk: {error}")
        return f"{mac} has no link any more; the order of its firmware stays as it is\n"
    return f"{mac} boots from its disk\n"


def cgi(settings: Settings) -> int:
    """The same for a web server that runs programs."""
    query = os.environ.get("QUERY_STRING", "")
    if os.environ.get("REQUEST_METHOD") == "POST" and not query:
        query = sys.stdin.read(min(int(os.environ.get("CONTENT_LENGTH") or 0), _LARGEST_FORM))
    try:
        status, text = "200 OK", asked(settings, os.environ.get("REMOTE_ADDR", ""), query)
    except RefusedError as error:
        status, text = "403 Forbidden", f"{error}\n"
    except HeadError as error:
        status, text = "500 Internal Server Error", f"{error}\n"
    sys.stdout.write(f"Status: {status}\r\nContent-Type: text/plain\r\n\r\n{text}")
    return 0


def _mac(text: str) -> str | None:
    try:
        return machines.mac_of(text)
    except ValueError:
        return None


def _neighbour(address: str) -> str | None:
    for line in _NEIGHBOURS.read_text(encoding="ascii").splitlines()[1:]:
        words = line.split()
        if words[0] == address and words[3] != "00:00:00:00:00:00":
            return _mac(words[3])
    return None


def _leased(settings: Settings, address: str) -> str | None:
    try:
        lines = (settings.state / "leases").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    leases = [line.split() for line in lines]
    return next((_mac(words[1]) for words in leases if len(words) > 3 and words[2] == address), None)
