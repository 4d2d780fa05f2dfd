"""The way to a Linux bridge of another machine: iproute2's `ip` and `bridge` there, over SSH.

Called by nm/switches/linux.py only. iproute2 is on every Linux; pyroute2, which would want a Python of its
own there, is not. One command reads all, one carries all edits of a session, and a refusal is of the line
that it names.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from nm.errors import DeviceFailed, only_asked
from nm.iproute2 import Iproute2
from nm.remote import Remote
from nm.switches.bridge import PVID, UNTAGGED, Bridge, Edit

LOOK = "ip -json -details link show && bridge -json -compressvlans vlan show"
EDIT = "bridge -force -batch -"  # goes on behind what is refused
FLAGS = {"PVID": PVID, "Egress Untagged": UNTAGGED}


class There:
    """A bridge of another machine. Who logs in as another than root is let do it by sudo."""

    def __init__(self, who: str, bridge: str, remote: Remote) -> None:
        self._who = who
        self._bridge = bridge
        self._remote = remote
        self._tools = Iproute2(f"{who}: bridge {bridge} of {remote.host}", remote)

    def open(self) -> Mapping[str, str]:
        """Log in. Two bridges of one machine are two switches: each has the host's key under its own name."""
        return {"host_key": f"{self._remote.open()} {self._bridge}"}

    def look(self) -> Bridge:
        """The bridge as it is now."""
        with only_asked():
            bridge = self._tools.look(LOOK, lambda said: bridge_of(self._bridge, *said))
        if bridge is None:
            raise DeviceFailed(
                f"{self._who}: {self._remote.host} has no bridge {self._bridge}",
                "create it, or name another with UpdateSwitch",
                passing=False,
            )
        return bridge

    def edit(self, edits: Sequence[Edit]) -> dict[Edit, str]:
        """All edits in one command."""
        refused = self._tools.batch(EDIT, batch(edits, self._bridge))
        return {edits[number - 1]: words for number, words in refused.items()}

    def close(self) -> None:
        """Log out."""
        self._remote.close()


def bridge_of(name: str, links: Iterable[Any], vlans: Iterable[Any]) -> Bridge | None:
    """The bridge, by what `ip` says of links and `bridge` of VLANs; None when there is none of that name."""
    settings: Mapping[str, Any] | None = None
    ports: dict[str, dict[int, int]] = {}
    for link in links:
        info = link.get("linkinfo", {})
        if link.get("ifname") == name and info.get("info_kind") == "bridge":
            settings = info["info_data"]
        if name in (link.get("ifname"), link.get("master")):
            ports[link["ifname"]] = {}
    if settings is None:
        return None
    for port in vlans:
        if port["ifname"] in ports:
            ports[port["ifname"]] = dict(_entries(port["vlans"]))
    return Bridge(
        name=name,
        filtering=bool(settings.get("vlan_filtering")) and settings.get("vlan_protocol") == "802.1Q",
        default=settings.get("vlan_default_pvid", 0),
        ports=ports,
    )


def _entries(vlans: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, int]]:
    for entry in vlans:
        flags = sum(FLAGS.get(flag, 0) for flag in entry.get("flags", ()))
        for vlan in range(entry["vlan"], entry.get("vlanEnd", entry["vlan"]) + 1):
            yield vlan, flags


def batch(edits: Iterable[Edit], bridge: str) -> str:
    """The edits as lines for `bridge -batch`."""
    return "".join(f"{_line(edit, bridge)}\n" for edit in edits)


def _line(edit: Edit, bridge: str) -> str:
    vlans = f"{edit.first}" if edit.first == edit.last else f"{edit.first}-{edit.last}"
    words = ["vlan", "add" if edit.add else "del", "dev", edit.port, "vid", vlans]
    words += [word for word, flag in (("pvid", PVID), ("untagged", UNTAGGED)) if edit.flags & flag]
    return " ".join([*words, "self"] if edit.port == bridge else words)
