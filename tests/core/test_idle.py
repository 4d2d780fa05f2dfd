"""Groups that are deployed and idle cost no thread and no queue, however many they are."""

import threading
from pathlib import Path

from nm.database import Database
from nm.records import record_key
from nm.service import Service
from tests.idle import fill
from tests.rack import Rack

GROUPS = 2000
MOST_THREADS = 8  # the journal's, the door's, the pool's, and some that are about to end


class IdleRack(Rack):
    """A rack whose database was full before nm starts."""

    def start(self) -> None:
        database = Database.open(self.config.daemon.database)
        fill(database, GROUPS)
        database.close()
        super().start()


def test_idle_groups_cost_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    rack = IdleRack(tmp_path, switches=0, nodes=0)
    try:
        assert isinstance(rack.service, Service)
        assert len(rack.call("GetGroups", {"state": "deployed"})) == GROUPS
        assert set(rack.service.crew.subjects()) <= {"pool:"}
        assert threading.active_count() - before < MOST_THREADS
        # A change of some wakes those alone, and they are let go when they have done it.
        for number in range(5):
            rack.call("SetVlan", f"g{number}", 2 + GROUPS - 1 - number)
            rack.deploy(f"g{number}")
        rack.until(lambda: rack.service is not None and set(rack.service.crew.subjects()) <= {"pool:"})
        assert threading.active_count() - before < MOST_THREADS
        found = rack.service.database.get(record_key("group", "g0"))
        assert found is not None and found["deployed_revision"] == 2
    finally:
        rack.stop()
