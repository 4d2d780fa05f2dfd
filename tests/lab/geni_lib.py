"""An experimenter's program that uses the real geni-lib, told by lines of JSON what to do, answering by such.

    python -m tests.lab.geni_lib FOLDER URL SLICE

A line in is [name of a function here, arguments...]; a line out is {"answer": ...}, or {"raised": the name of
its class, "said": ...}. `FOLDER` holds what an experimenter has, under the names that geni-lib wants. It is a
process of its own, for geni-lib leaves files and connections open and warns of much.
"""

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")

from geni import util  # noqa: E402
from geni.aggregate.apis import AMAPIv3  # noqa: E402
from geni.aggregate.context import Context  # noqa: E402
from geni.aggregate.core import AM  # noqa: E402
from geni.aggregate.frameworks import Framework  # noqa: E402
from geni.aggregate.user import User  # noqa: E402
from geni.minigcf import amapi2, amapi3  # noqa: E402
from geni.rspec import pg, pgmanifest  # noqa: E402

FRAMEWORK, PROJECT = "lab", "project"
VERSION = {"geni_rspec_version": {"type": "GENI", "version": "3"}}
Json = Any


def slice_credential(name: str) -> str:
    """The name that a slice's credential has in the folder."""
    return f"{FRAMEWORK}-{PROJECT}-{name}-scred.xml"


def user_credential(person: str) -> str:
    """The same of a person's own."""
    return f"{FRAMEWORK}-{person}-usercred.xml"


class Experimenter:
    """One person with a slice, at one aggregate. Every public method can be called."""

    def __init__(self, folder: Path, url: str, slice_name: str) -> None:
        self._url, self._slice = url, slice_name
        framework = Framework(FRAMEWORK)
        framework.cert = framework.key = str(folder / "identity.pem")
        framework.project = PROJECT
        self._context = Context()
        self._context.datadir = str(folder)
        self._context.cf = framework
        me = User()
        me.urn = framework.userurn
        me.name = me.urn.split("+")[-1]
        self._context.addUser(me)
        self._me = me
        self._key = (folder / "id_ed25519.pub").read_text().strip()
        self._here = {kind: AM("lab", url, "amapiv2", kind) for kind in ("opengeni", "exogeni", "pg")}
        self._manifest: Any = None

    # ---- what works

    def getversion(self) -> Json:
        """By the aggregate's object."""
        return self._here["opengeni"].getversion(self._context)

    def getversion_of_minigcf(self) -> Json:
        """By the function underneath."""
        cf = self._context.cf
        return amapi2.getversion(self._url, False, cf.cert, cf.key)

    def listresources(self, kind: str = "opengeni", available: bool = False) -> Json:
        """Node -> whether it is free."""
        found = self._here[kind].listresources(self._context, available=available)
        return {node.name: node.available for node in found.nodes}

    def listresources_of_slice(self) -> Json:
        """An advertisement all the same: version 3 knows no such option."""
        found = self._here["opengeni"].listresources(self._context, self._slice)
        return [node.component_id for node in found.nodes]

    def checkavailrawpc(self) -> Json:
        """Names of free machines."""
        return sorted(node.name for node in util.checkavailrawpc(self._context, self._here["opengeni"]))

    def allocate(self, names: list[str], lan: str, options: Json) -> Json:
        """Any machines of these client ids, on a LAN."""
        request, joined = pg.Request(), pg.LAN(lan)
        for name in names:
            node = pg.RawPC(name)
            joined.addInterface(node.addInterface("if0"))
            request.addResource(node)
        request.addResource(joined)
        text = request.toXMLString(ucode=True)
        return self._told(AMAPIv3.allocate(self._context, self._url, self._slice, text, options))

    def provision(self) -> Json:
        """All that is allocated, with a key of the person's."""
        users = [{"urn": self._me.urn, "keys": [self._key]}]
        options = {**VERSION, "geni_users": users}
        return self._told(AMAPIv3.provision(self._context, self._url, self._slice, None, options))

    def poa(self, action: str, urns: list[str] | None = None, options: Json = None) -> Json:
        """The slivers."""
        return AMAPIv3.poa(self._context, self._url, self._slice, action, urns, options)

    def delete(self, urns: list[str]) -> Json:
        """The slivers that were given back."""
        return AMAPIv3.delete(self._context, self._url, self._slice, urns)["value"]

    def builddot(self) -> Json:
        """The last manifest as a picture."""
        return util.builddot([self._manifest])

    def logins(self) -> Json:
        """Of the last manifest."""
        return util._corelogininfo(self._manifest)

    def slice_urn(self) -> Json:
        """As its credential has it."""
        return self._context.getSliceInfo(self._slice).urn

    # ---- what does not

    def getversion_of_amapi3(self) -> Json:
        """Hands a dict to xmlrpc's dumps."""
        cf = self._context.cf
        return amapi3.getversion(self._url, False, cf.cert, cf.key)

    def version_2(self, method: str) -> Json:
        """What only version 2 has."""
        return getattr(self._here["opengeni"], method)(self._context, self._slice)

    def paa(self) -> Json:
        """Emulab's own."""
        return AMAPIv3.paa(self._context, self._url, "anything")

    def _told(self, answer: Json) -> Json:
        """Slivers, and what geni-lib read in the manifest."""
        value = answer["value"]
        self._manifest = found = pgmanifest.Manifest(xml=value["geni_rspec"])
        nodes = {one.client_id: [one.component_id, one.sliver_id] for one in found.nodes}
        links = {one.client_id: one.vlan for one in found.links}
        return {"slivers": value["geni_slivers"], "nodes": nodes, "links": links}


def _answered(act: Callable[..., Json], arguments: list[Json]) -> Json:
    try:
        return {"answer": act(*arguments)}
    except Exception as error:  # noqa: BLE001 what a client raises is what is looked at
        return {"raised": type(error).__name__, "said": str(error)}


def main() -> None:
    """Answer until there are no more lines."""
    folder, url, slice_name = sys.argv[1:]
    me = Experimenter(Path(folder), url, slice_name)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(_answered(getattr(me, name), arguments)), flush=True)


if __name__ == "__main__":
    main()
