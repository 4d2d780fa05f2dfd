"""Another machine's links: iproute2's `ip` there, over SSH.

The connection is opened when it is needed; the key that the machine shows is told (`meet`) before anything is
asked of it. Called by nm/hostnet.py.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nm.hostlogin import log_in
from nm.iproute2 import Iproute2
from nm.links import Add, Delete, Edit, Link, Up, no_such_kind
from nm.remote import Remote

LOOK = "ip -json -details link show"
EDIT = "ip -batch -"
_NO_KIND = "Unknown device type"


class There:
    """The way to another machine's links."""

    def __init__(self, who: str, remote: Remote, meet: Callable[[str], None] = lambda key: None) -> None:
        """`meet` is told the machine's host key at each log-in; what it raises ends the log-in."""
        self.machine = remote.host
        self._remote = remote
        self._meet = meet
        self._tools = Iproute2(f"{who}: the network of {remote.host}", remote)

    def look(self) -> Mapping[str, Link]:
        """All links by name, by one command."""
        self._log_in()
        return self._tools.look(LOOK, lambda said: links_of(*said))

    def edit(self, edits: Sequence[Edit]) -> None:
        """All of them by one command, which ends at the first that is refused."""
        self._log_in()
        for number, words in self._tools.batch(EDIT, "".join(f"{line(edit)}\n" for edit in edits)).items():
            edit = edits[number - 1]
            if isinstance(edit, Add) and _NO_KIND in words:
                raise no_such_kind(self.machine, edit.kind)
            raise self._tools.denied(f"{line(edit)}: {words}")

    def without_addresses(self, names: Sequence[str]) -> None:
        """By the kernel's switches; a kernel without IPv6 has none."""
        self._log_in()
        switches = " ".join(f"net.ipv6.conf.{name}.disable_ipv6=1" for name in names)
        self._tools.change(f"sysctl -e -q -w {switches}")

    def close(self) -> None:
        """Log out."""
        self._remote.close()

    def _log_in(self) -> None:
        if not self._remote.is_open:
            log_in(self._remote, self._meet)


def line(edit: Edit) -> str:
    """The edit as a line for `ip -batch`."""
    if isinstance(edit, Delete):
        return f"link delete dev {edit.name}"
    if isinstance(edit, Up):
        return f"link set dev {edit.name}{f' master {edit.master}' if edit.master else ''} up"
    if edit.vlan is None:
        return f"link add name {edit.name} type {edit.kind}"
    vlan, device = edit.vlan
    return f"link add link {device} name {edit.name} type {edit.kind} id {vlan}"


def links_of(said: Iterable[Mapping[str, Any]]) -> dict[str, Link]:
    """What `ip` says of links."""
    return {link["ifname"]: _link(link) for link in said if link}


def _link(said: Mapping[str, Any]) -> Link:
    info = said.get("linkinfo", {})
    kind = info.get("info_kind", "")
    vlan = (int(info["info_data"]["id"]), said.get("link", "")) if kind == "vlan" else None
    return Link(kind, "UP" in said["flags"], said.get("master"), vlan)
