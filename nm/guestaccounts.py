"""Accounts of slivers: whoever logs in to one is in that sliver's guest and nowhere else.

Two types whose login shell is sliver_shell, and controllers, which call the API. Where an account leads is
told by files below `Places.guests`, root's own and named by the uid, so that nm-enter (nm/enter.py) finds it
whether or not nmd runs:

    UID.json          {"sliver", "type", "running", "why"}; "domain" of a container, or "address", "user"
    UID.key           by which a virtual machine is entered; the account itself may read it
    UID.known_hosts   the one host key that it may show

They are one more thing that an account's `configure` keeps as it should be. Called by the accounts' one
worker; holds no lock.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from nm.accounts import REGISTRY, Account
from nm.facts import sliver_address
from nm.guestkeys import Guest
from nm.unixaccounts import Places

SHELL = "/usr/lib/nm/sliver_shell"
GROUP = "nm-slivers"  # whose members may run nm-enter as root (packaging/sudoers)
RUNNING = "running"


class SliverAccount(Account):
    """An account that enters a guest."""

    SHELL: ClassVar[str] = SHELL
    GROUPS: ClassVar[tuple[str, ...]] = (GROUP,)
    OPTIONS: ClassVar[str] = 'restrict,pty,command="enter"'

    @staticmethod
    def shell(places: Places) -> str:
        """The shell that goes on to the guest."""
        return places.sliver_shell

    def configure(self) -> None:
        """Where it leads as well. Connections end when the guest runs no more."""
        was = self._told()
        self._tell()
        super().configure()
        if was.get("running") and not self._told()["running"]:
            self._system.processes.look_again()
            self._system.processes.end(self._record["uid"])

    def destroy(self) -> None:
        """It leads nowhere any more."""
        super().destroy()
        for ending in ("json", "key", "known_hosts"):
            self._place(ending).unlink(missing_ok=True)

    # ---- where it leads

    def _place(self, ending: str) -> Path:
        places = self._system.places
        return places.root / places.guests.lstrip("/") / f"{self._record['uid']}.{ending}"

    def _told(self) -> Mapping[str, Any]:
        try:
            found = json.loads(self._place("json").read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _tell(self) -> None:
        """The file that nm-enter begins with comes last. What stands there already is not written."""
        told = self._guest()
        if told == self._told():
            return
        folder = self._place("json").parent
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        folder.chmod(0o711)
        self._tell_keys(told)
        self._write("json", json.dumps(told))

    def _guest(self) -> dict[str, Any]:
        guest = self._record.get("guest") or {}
        state, why = guest.get("state"), guest.get("why")
        return {
            "sliver": self._record["name"],
            "type": self._record["type"],
            "running": state == RUNNING,
            "why": why or (None if state == RUNNING else f"it is {state or 'not there yet'}"),
            "incarnation": self._record["id"],
            **self._way(guest),
        }

    def _way(self, guest: Mapping[str, Any]) -> dict[str, Any]:
        """How one gets there; here nothing is known of that."""
        return {}

    def _tell_keys(self, told: Mapping[str, Any]) -> None:
        """What else is needed on the way."""

    def _write(self, ending: str, text: str, mode: int = 0o600) -> None:
        """Whole or not at all. It need not outlive the machine."""
        place = self._place(ending)
        new = place.with_name(f".{place.name}.new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchown(file.fileno(), 0, self._need().gid)
            os.fchmod(file.fileno(), mode)
        new.rename(place)


@REGISTRY.register
class ContainerAccount(SliverAccount):
    """Of a sliver that is a container: its namespaces are entered."""

    TYPE = "sliver.LXC"

    def _way(self, guest: Mapping[str, Any]) -> dict[str, Any]:
        return {"domain": guest.get("domain")}


@REGISTRY.register
class MachineAccount(SliverAccount):
    """Of a sliver that is a virtual machine: it is entered by SSH, as the account itself."""

    TYPE = "sliver.QEMU"

    def _way(self, guest: Mapping[str, Any]) -> dict[str, Any]:
        places = self._system.places
        address = sliver_address(places.guest_network, guest.get("index") or 0)
        host = address.partition("/")[0] if address else None
        return {"address": host, "user": places.guest_user, "life": guest.get("life") or 1}

    def _tell_keys(self, told: Mapping[str, Any]) -> None:
        """The account reads them, so that the program that speaks with the guest need not be root."""
        keys = self._system.guest_keys
        guest = Guest(self._record["account"], self._record["id"], told["life"])
        self._write("key", keys.entry_private(guest), 0o640)
        self._write("known_hosts", f"guest {keys.host_public(guest)}\n", 0o640)


@REGISTRY.register
class ControllerAccount(Account):
    """Of a slice that manages others: it calls the API by the shell of delegates, and has no guest."""

    TYPE = "controller"
