"""A rack on which descriptions are deployed, for pages and terminals that show them."""

from pathlib import Path
from typing import Any

from nm.pools import chunks, keeping
from nm.records import changed
from tests.rack import ROOT, Rack

MANAGEMENT = '#include "org/smartfrog/services/management/components.sf"\n'
SMARTDOMAINS = '#include "ch/cern/openlab/smartdomains/components.sf"\n'
WEB = """
sfConfig extends Compound {
  sfSyncTerminate true;
  front extends Compound {
    console extends DeployManagement { nameDisplay "The front"; }
    balancer extends Prim { memory 512; colour "red"; }
  }
  back extends Compound {
    display extends DeployManagement { nameDisplay "All behind"; screenEditable false; }
    store extends Prim { size 10; }
    deep extends Compound { one extends Prim; two extends Prim; }
  }
}
"""


class Described(Rack):
    """No switches, and a description `web`; more with `apply`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, switches=0, nodes=0)

    def register_all(self) -> None:
        """Deploy the description."""
        self.apply("web", WEB)

    def make_groups(self) -> None:
        """None."""

    def apply(self, name: str, text: str, caller: Any = ROOT) -> None:
        """Deploy a description, or change it, and wait."""
        written = f"{MANAGEMENT}{SMARTDOMAINS}{text}"
        job = self.wait(self.call("ApplyDescription", name, written, {}, caller=caller), 300)
        assert job["state"] == "done", job

    def attributes(self, name: str, path: str) -> dict[str, Any]:
        """What a component has, by the daemon's word."""
        found: dict[str, Any] = self.call("GetComponents", name, path)[0]["attributes"]
        return found

    def live(self, name: str, path: str, **entry: Any) -> None:
        """Let a component live like that, as a worker writes it."""
        self._edit(name, path, "life", lambda item: {"state": "running", **entry})

    def begun(self, name: str, path: str, kind: str, **values: Any) -> None:
        """Let a component be of that kind, and have started with these values."""
        self._edit(
            name,
            path,
            "piece",
            lambda item: {**item, "part": {**item["part"], "kind": kind}, "begun": values},
        )

    def _edit(self, name: str, path: str, kind: chunks.Kind, new: Any) -> None:
        assert self.service is not None
        database = self.service.database
        pool = keeping.find(database, name)
        assert pool is not None
        number = keeping.numbers(database, pool)[tuple(path.split(":"))]
        record = database.get(chunks.key(kind, name, number))
        assert record is not None
        items = {**record["items"], number: new(record["items"][number])}
        database.transact(lambda tx: tx.put(changed(record, 0.0, items=items)))
