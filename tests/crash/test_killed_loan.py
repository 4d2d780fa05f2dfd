"""A loan of nodes whose nmd is killed anywhere in it: no frame crosses, no node is lost, and it goes on."""

import contextlib
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from nm.client import ClientError, connect
from nm.database import Database
from nm.errors import Conflict
from tests import untraced
from tests.core.isolation import crossings, promised_wrongly
from tests.rack import Rack, rack

NODES = ["n1", "n2"]


@contextmanager
def killed_nmd(lab: Rack, folder: Path) -> Iterator[Any]:
    """The daemon on the rack's files, and a client of it; killed at the end."""
    config = folder / "nm.toml"
    config.write_text(
        f'[daemon]\ndatabase = "{folder}/db"\nlock = "{folder}/lock"\npid_file = "{folder}/pid"\nlog = ""\n'
        f'[api]\nsocket = "{folder}/api.sock"\ntcp = false\n[export]\nfolder = "{folder}/export"\n'
        "[jobs]\nretry_first_seconds = 0.02\nretry_longest_seconds = 0.2\n"
    )
    command = [sys.executable, "-m", "nm.daemon", "--config", str(config)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=untraced.environment()
    )
    try:
        with contextlib.ExitStack() as stack:
            proxies: list[Any] = []

            def answers() -> bool:
                with contextlib.suppress(ClientError, OSError):
                    proxies.append(stack.enter_context(connect(str(folder / "api.sock"))))
                    return bool(proxies[-1].GetVersion())
                return False

            lab.until(answers, 60)
            yield proxies[-1]
            process.kill()
            process.wait(30)
    finally:
        process.kill()
        process.wait(30)


def place(nm: Any) -> tuple[str | None, str]:
    """Whose node n1 is, and in which state."""
    node = nm.GetNodes({"name": "n1"})[0]
    return node["group"], node["state"]


def is_at(nm: Any, there: tuple[str, str]) -> bool:
    """Whether it is there."""
    return place(nm) == there


def lent(nm: Any, end: float) -> bool:
    """Lend them until then, when all are where they belong: one may be behind the other, still on its way."""
    try:
        nm.LendNodes("a", "b", NODES, end)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != Conflict.code:
            raise
        return False
    return True


def see(lab: Rack, nm: Any, changes: int, end: tuple[str, str]) -> None:
    """Wait until the node's place has changed so many times, or it has come to its end."""
    seen = [place(nm)]

    def far_enough() -> bool:
        now = place(nm)
        if now != seen[-1]:
            seen.append(now)
        return len(seen) > changes or now == end

    lab.until(far_enough, 60)


def test_a_loan_outlives_kill_9_anywhere_in_it(tmp_path: Path) -> None:
    moments = set()
    with rack(tmp_path) as lab:
        for group, nodes in (("a", ["n0", *NODES]), ("b", ["n3"])):
            lab.call("CreateGroup", group, {"nodes": nodes})
            lab.deploy(group)
        for switch in lab.switches:
            lab.set_faults(switch, delay=0.1)
        lab.stop()
        home, away, change = ("a", "joined"), ("b", "joined"), 0
        for kill in range(8):
            begin, end = (away, home) if kill % 2 else (home, away)
            with killed_nmd(lab, tmp_path) as nm:
                lab.until(partial(is_at, nm, begin), 60)
                lab.until(partial(lent, nm, 0 if kill % 2 else time.time() + 3600), 60)
                see(lab, nm, change, end)
            change += kill % 2
            store = Database.open(tmp_path / "db")
            assert crossings(store, lab.states(), lab.links()) == []
            assert promised_wrongly(store) == []
            for node in store.range("node"):
                if promise := node.get("_promise"):
                    moments.add((node["group"], promise["turn"]))
            store.close()
        assert {("a", "out"), ("b", "lent"), ("b", "back")} <= moments
        lab.start()
        lab.until(lambda: all(group["state"] == "deployed" for group in lab.call("GetGroups", {})))
        lab.until(lambda: sorted(lab.call("GetGroups", {"name": "a"})[0]["nodes"]) == ["n0", "n1", "n2"])
        lab.until(lambda: all(lab.call("GetNodes", {"name": node})[0]["state"] == "joined" for node in NODES))
        assert lab.call("GetGroups", {"name": "b"})[0]["nodes"] == ["n3"]
