"""A node with slivers: a whole nm whose guests are a stand-in's; the test speaks for the source of slices."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from nm import config, delivery, leases, people
from nm.calls import Call, Caller, Site
from nm.records import Record
from nm.slices import Reading, read_reply
from tests.rack import ROOT, Rack
from tests.slivers.guests import House

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL alice"
RULES = leases.Rules(mass_share=0.25, mass_floor=3)
BEGAN = 1_700_000_000  # by the source's clock


def told(name: str, instantiation: str = "plc-instantiated", **more: Any) -> dict[str, Any]:
    """A sliver as its source tells of it; `tags`: name -> value."""
    tags = [{"tagname": tag, "value": value} for tag, value in more.pop("tags", {}).items()]
    keys = [{"key_type": "ssh", "key": key} for key in more.pop("keys", [KEY])]
    return {"name": name, "instantiation": instantiation, "attributes": tags, "keys": keys, **more}


class Node(Rack):
    """A rack without switches."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.house = House(folder / "guests.json")
        self.said = BEGAN
        usual = {"uri": "qemu:///system", "image": "debian", "look_seconds": 1.0}
        found = config.Slivers(**{**usual, **settings.pop("slivers", {})})
        plain = {"switches": 0, "nodes": 0, "slivers": found, "open_guests": self.house.open}
        super().__init__(folder, **{**plain, **settings})

    def hear(self, *slivers: dict[str, Any], **more: Any) -> delivery.Outcome:
        """The source lists these and no others; `more`: what else its reply has."""
        assert self.service is not None
        self.said += 10
        reply = read_reply(
            {"timestamp": self.said, "node_id": 1, "slivers": list(slivers), **more}, Reading()
        )
        now = self.service._tools.now()
        return delivery.update(self.service.database, reply, now, RULES, self.config.slivers.grace_seconds)

    def sliver(self, name: str) -> Record:
        """What GetSlivers tells of it."""
        found: list[Record] = self.call("GetSlivers", {"name": name})
        return found[0] if found else {"state": None}

    def record(self, name: str) -> Record:
        """The record as it is in the database."""
        assert self.service is not None
        return self.service.database.get(f"sliver_{name}") or {}

    def guest(self, name: str) -> dict[str, Any] | None:
        """The sliver's domain."""
        found: dict[str, Any] | None = self.house.domains.get(f"nm-sliver-{name}")
        return found

    def runs(self, name: str) -> bool:
        return bool((self.guest(name) or {}).get("running")) and self.sliver(name)["state"] == "running"

    def until_runs(self, *names: str) -> None:
        self.until(lambda: all(map(self.runs, names)))

    def until_state(self, name: str, state: str | None) -> None:
        self.until(lambda: self.sliver(name)["state"] == state)

    def at_rest(self) -> bool:
        """Whether nothing is left to do about slivers."""
        return self.crew().depths().get("slivers:", 0) == 0 and not self.crew().depths().get("guests:", 0)

    def job(self, name: str) -> Record:
        """The sliver's newest job, when it is over."""
        jobs = self.call("GetJobs", {"subject": f"sliver:{name}"})
        return self.wait(jobs[-1]["id"])

    def ask(self, method: str, name: str, caller: Caller = ROOT) -> Record:
        """Call one of the methods that change a sliver, and wait for its job."""
        assert self.call(method, name, caller=caller) == 1
        return self.job(name)

    def enroll(self, name: str, kind: str = "sliver.QEMU", uid: int = 5000) -> Caller:
        """An account of that sliver, as far as records go; the caller who has it."""
        call = Call(ROOT, "Create", 1.0, Site(uids=(uid, uid + 99)))
        assert self.service is not None
        account = self.service.database.transact(
            partial(people.enroll_sliver, call=call, name=name, kind=kind)
        )
        assert account is not None
        return Caller(account["uid"], account["account"])


@contextmanager
def node(folder: Path, **settings: Any) -> Iterator[Node]:
    """A node that is stopped at the end."""
    made = Node(folder, **settings)
    try:
        made.call("RegisterImage", "debian", {"kind": "disk", "disk": "/var/lib/nm-images/debian.qcow2"})
        yield made
    finally:
        made.house.set(held=False)
        made.stop()
