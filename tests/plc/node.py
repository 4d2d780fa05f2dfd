"""A whole nm on a node of a stand-in PLC, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nm import config
from nm.records import Record, name_of
from tests.plc.authority import Authority
from tests.plc.fake_plc import KEY, NODE, FakePlc
from tests.rack import Rack

ROOT_FILES = {
    "passwd": "root:x:0:0::/root:/bin/sh\nsite_admin:x:{uid}:{gid}::/home/site_admin:/bin/sh\n",
    "group": "root:x:0:\nstaff:x:{gid}:\n",
    "shadow": "",
}


class Node(Rack):
    """Asks when it starts and when it is told to."""

    def source(self) -> Record:
        """GetSource."""
        found: Record = self.call("GetSource")
        return found

    def ask(self, **options: Any) -> Record:
        """Have the source asked; the job."""
        return self.wait(self.call("AskSource", options))

    def told(self) -> Record:
        """GetSource, once the first question is answered."""
        self.until(lambda: self.source()["tried"] is not None)
        return self.source()

    def seen_to(self) -> bool:
        """Whether their worker has said of all slivers what becomes of them."""
        return all("_unenforced" in record for record in self.slivers().values())

    def slivers(self) -> dict[str, Record]:
        """The records of slivers by name."""
        assert self.service is not None
        return {name_of(one["record_key"]): one for one in self.service.database.range("sliver")}

    def whats(self, subject: str = "source ") -> list[str]:
        """What events of such a subject have said."""
        events = self.call("GetEvents", 0, 1000)
        return [event["what"] for event in events if event["subject"].startswith(subject)]

    def revision(self) -> int:
        """Of the database."""
        assert self.service is not None
        return self.service.database.revision

    def changed(self, after: int) -> set[str]:
        """Keys of records that were written since, but for those of jobs."""
        assert self.service is not None
        found = self.service.database.changes(after)
        assert found is not None
        keys = {key for published in found for key in published.changes}
        return {key for key in keys if not key.startswith(("job_", "meta_jobs"))}


def settings(plc: FakePlc, ca: Path, folder: Path, **more: Any) -> config.Plc:
    """A configuration that leads to that PLC."""
    place = plc.place(ca)
    return config.Plc(
        address=f"https://{place}{place.path}",
        ca=str(ca),
        node_id_file=str(folder / "node_id"),
        **{"period_seconds": 3600.0, "timeout_seconds": 1.0, **more},
    )


@contextmanager
def node(
    folder: Path, plc: FakePlc, authority: Authority, key: str = KEY, ca: Path | None = None, **more: Any
) -> Iterator[Node]:
    """One whose first question is answered, or refused, and what it answered seen to."""
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700)
    secret = secrets / "plc-node-key"
    secret.write_text(key)
    secret.chmod(0o600)
    (folder / "node_id").write_text(f"{NODE}\n")
    rest = {name: more.pop(name) for name in ("accounts", "tickets") if name in more}
    more["accounts"] = more.pop("accounts_named", ())
    made = Node(folder, 0, 0, plc=settings(plc, ca or authority.ca, folder, **more), **rest)
    try:
        made.told()
        made.until(made.seen_to)
        yield made
    finally:
        made.stop()
