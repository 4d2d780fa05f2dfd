"""A lab that is an aggregate of GENI's, as its experimenters use it: by raw calls, and by geni-lib."""

import json
import os
import shutil
import ssl
import subprocess
import sys
import xmlrpc.client
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jsonrpclib import ServerProxy

from nm.clearing.wallet import Wallet
from nm.database_tools import dump
from nm.lab import daemon, federation, lifecycle, probe, watch
from nm.lab.layout import WORLD, Layout
from nm.lab.place import Lab, environment
from nm.lab.register import finish
from tests.lab import geni_lib
from tests.lab.conftest import api
from tests.switches.bridges import enter

LAYOUT = Layout(switches=2, nodes=4, headnodes=0, geni=True)
VERSION = {"geni_rspec_version": {"type": "GENI", "version": "3"}}
PATIENCE = 60.0
Answer = dict[str, Any]


def urn(kind: str, name: str) -> str:
    """Of the lab's authority."""
    return f"urn:publicid:IDN+{federation.AUTHORITY}+{kind}+{name}"


class Person:
    """Somebody with a wallet and a slice."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.wallet = Wallet(federation.wallet(lab, name))
        self.name, self.slice = name, federation.PEOPLE[name]
        self.slice_urn = urn("slice", self.slice)
        self.key = (self.wallet.folder / "id_ed25519.pub").read_text().strip()
        # A thread of its own lives in the world, and so does what it connects.
        self._outside = _thread(lab, f"root/run/netns/{WORLD}")
        self._proxy = xmlrpc.client.ServerProxy(federation.URL, context=self._tls(), use_builtin_types=True)

    def _tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.wallet.roots)
        context.load_cert_chain(self.wallet.identity)
        return context

    def credentials(self, of_slice: bool = True) -> list[Answer]:
        """As omni sends them."""
        wallet = self.wallet
        path = wallet.slice_credential(self.slice) if of_slice else wallet.user_credential
        return [{"geni_type": "geni_sfa", "geni_version": "3", "geni_value": path.read_text()}]

    def answer(self, method: str, *arguments: Any) -> Answer:
        """The whole struct that a call answers."""
        found: Any = self._outside.submit(getattr(self._proxy, method), *arguments).result(PATIENCE)
        return dict(found)

    def call(self, method: str, what: Any, *more: Any, options: Mapping[str, Any] | None = None) -> Any:
        """The value of a call about that; it must be granted."""
        answer = self.answer(method, what, self.credentials(), *more, {**VERSION, **(options or {})})
        assert answer["code"]["geni_code"] == 0, answer
        return answer["value"]

    def status(self) -> dict[str, tuple[str, str]]:
        """Sliver -> its states; none when the slice has none."""
        answer = self.answer("Status", [self.slice_urn], self.credentials(), {})
        if answer["code"]["geni_code"] == 12:
            return {}
        assert answer["code"]["geni_code"] == 0, answer
        return {
            one["geni_sliver_urn"]: (one["geni_allocation_status"], one["geni_operational_status"])
            for one in answer["value"]["geni_slivers"]
        }

    def hang_up(self) -> None:
        """The next call connects anew."""
        self._outside.submit(self._proxy("close")).result(PATIENCE)

    def close(self) -> None:
        """The end."""
        self.hang_up()
        self._outside.shutdown()


def _thread(lab: Lab, network: str) -> ThreadPoolExecutor:
    """One that lives in a network of the lab's, by its place below the holder in /proc."""
    return ThreadPoolExecutor(1, initializer=_go, initargs=(f"/proc/{lab.need().holder}/{network}",))


def _go(network: str) -> None:
    descriptor = os.open(network, os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(descriptor)
    finally:
        os.close(descriptor)


class Portal:
    """A portal of BOWL's on the lab's machine, with the client library that portals use."""

    def __init__(self, lab: Lab) -> None:
        self._inside = _thread(lab, "ns/net")
        self._proxy = ServerProxy(f"http://127.0.0.1:{federation.BOWL_PORT}")

    def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """What the method answers."""
        return self._inside.submit(getattr(self._proxy, method), *arguments, **named).result(PATIENCE)

    def close(self) -> None:
        """The end."""
        self._inside.submit(self._proxy("close")).result(PATIENCE)
        self._inside.shutdown()


class GeniLib:
    """geni_lib.py, running in the world."""

    def __init__(self, lab: Lab, person: Person, folder: Path) -> None:
        wallet = person.wallet
        for path, name in (
            (wallet.identity, "identity.pem"),
            (wallet.folder / "id_ed25519.pub", "id_ed25519.pub"),
            (wallet.slice_credential(person.slice), geni_lib.slice_credential(person.slice)),
            (wallet.user_credential, geni_lib.user_credential(person.name)),
        ):
            shutil.copy(path, folder / name)
        words = [sys.executable, "-m", geni_lib.__name__, str(folder), federation.URL, person.slice]
        self._program = subprocess.Popen(
            lab.enter(words, WORLD), env={**environment(), "HOME": str(folder)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def answer(self, name: str, *arguments: Any) -> Answer:
        """What a call comes to: `answer`, or `raised` and `said`."""
        assert self._program.stdin is not None and self._program.stdout is not None
        self._program.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._program.stdin.flush()
        return dict(json.loads(self._program.stdout.readline()))

    def __call__(self, name: str, *arguments: Any) -> Any:
        """The same of one that must work."""
        said = self.answer(name, *arguments)
        assert "answer" in said, said
        return said["answer"]

    def close(self) -> None:
        """It ends with its input."""
        self._program.communicate(timeout=PATIENCE)


@contextmanager
def federated(name: str, layout: Layout = LAYOUT) -> "Iterator[Federated]":
    """Such a lab, there as long as the block."""
    with lifecycle.passing(name, layout) as place:
        lab = Federated(place)
        yield lab
        lab.close()


class Federated:
    """The lab itself."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.people = {name: Person(lab, name) for name in federation.PEOPLE}
        self.portal = Portal(lab)
        self.nodes = [node.name for node in lab.layout.rack]

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Wait for it."""
        watch.until(true, PATIENCE, what)

    def until_all(self, person: Person, operational: str) -> None:
        """Until all slivers of the person's slice are so."""
        self.until(lambda: {two for _, two in person.status().values()} == {operational}, operational)

    def reached(self, names: Collection[str]) -> dict[str, set[str] | None]:
        """Which of all nodes each of these reaches, by real packets."""
        return probe.reached(self.lab, {name: [one for one in self.nodes if one != name] for name in names})

    def groups(self) -> list[Answer]:
        """What nm's own API tells."""
        with api(self.lab) as nm:
            return [dict(one) for one in nm.GetGroups({})]

    def keys(self, group: str) -> list[str]:
        """By which people are let into a group's account, as its record has it."""
        (record,) = [
            one
            for one in dump(self.lab.folder / "database", "group")
            if one["record_key"] == f"group_{group}"
        ]
        return list(record["keys"])

    def free(self) -> list[str]:
        """Names of the nodes that are."""
        with api(self.lab) as nm:
            return sorted(node["name"] for node in nm.GetNodes({"free": True}))

    def reset(self) -> None:
        """The daemon runs, and nobody has anything."""
        daemon.start(self.lab)
        with api(self.lab) as nm:
            for job in [nm.DestroyGroup(group["name"]) for group in nm.GetGroups({})]:
                finish(nm, job, int(PATIENCE))
        self.until(lambda: self.free() == self.nodes, "all nodes are free")

    def close(self) -> None:
        """Everybody hangs up."""
        for person in self.people.values():
            person.close()
        self.portal.close()
