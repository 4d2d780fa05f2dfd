"""The daemon itself under eight clients, as something that kill9 can kill.

    python -m tests.crash.killed_daemon [TIMES] [--seed N]

Each client counts up a number in its own node's metadata over the Unix socket, one call after another. What
was answered must be in the files after kill -9, whole; at most one call more of each client may be.
"""

import argparse
import contextlib
import random
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from nm import pool
from nm.calls import Call, Caller, Site
from nm.client import ClientError, connect
from nm.database import Database
from nm.database_tools import dump
from tests import untraced
from tests.crash.kill9 import run

NAMES = tuple(f"w{number}" for number in range(8))
ROOT = Caller(uid=0, name="root", admin=True)


def filler(number: int) -> str:
    """Text of a length that the number decides, so that half a change would show."""
    return "x" * (number * 37 % 500)


class DaemonTarget:
    """nmd in a folder of its own, and its clients."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "api.sock"
        self._config = folder / "nm.toml"
        self._config.write_text(
            f'[daemon]\ndatabase = "{folder}/db"\nlock = "{folder}/lock"\n'
            f'pid_file = "{folder}/pid"\nlog = ""\n'
            f'[api]\nsocket = "{self._socket}"\ntcp = false\n[export]\nfolder = "{folder}/export"\n'
            "[database]\nsnapshot_megabytes = 0.04\n"
        )
        self._prepare()

    def _prepare(self) -> None:
        database = Database.open(self._folder / "db")
        call = Call(ROOT, "RegisterNode", time.time(), Site())
        for number, name in enumerate(NAMES):
            nics = [{"name": "eth0", "mac": f"52:54:00:00:00:{number:02x}"}]
            settings = {"nics": nics, "metadata": {"number": 0, "filler": ""}}
            database.transact(partial(pool.register_node, call=call, name=name, settings=settings))
        database.close()

    def start(self) -> None:
        self._answered: dict[str, int] = {}
        self._dead = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nm.daemon", "--config", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=untraced.environment(),
        )
        self._clients = [threading.Thread(target=self._count_up, args=(name,)) for name in NAMES]
        for client in self._clients:
            client.start()

    def _count_up(self, name: str) -> None:
        while not self._dead.is_set():
            # It is not up yet, or it has just been killed.
            with contextlib.suppress(ClientError, OSError), connect(str(self._socket)) as proxy:
                proxy_any: Any = proxy
                number = proxy_any.GetNodes({"name": name})[0]["metadata"]["number"]
                while not self._dead.is_set():
                    number += 1
                    metadata = {"number": number, "filler": filler(number)}
                    proxy_any.UpdateNode(name, {"metadata": metadata})
                    self._answered[name] = number
            self._dead.wait(0.005)

    def write(self, seconds: float, *, ready: bool) -> None:
        deadline = time.monotonic() + 30
        while ready and not self._answered:
            assert self._process.poll() is None, f"it does not start: {self._errors()}"
            assert time.monotonic() < deadline, "nobody is answered"
            self._dead.wait(0.005)
        self._dead.wait(seconds)

    def _errors(self) -> str:
        assert self._process.stderr is not None
        return self._process.stderr.read().decode()

    def kill(self) -> dict[str, int]:
        self._process.kill()
        self._process.communicate(timeout=30)
        self._dead.set()
        for client in self._clients:
            client.join()
        return dict(self._answered)

    def lost(self, answered: dict[str, int]) -> list[str]:
        found = []
        for name, metadata in self._metadata().items():
            number = metadata["number"]
            if not answered.get(name, 0) <= number <= answered.get(name, 0) + 1:
                found.append(f"{name} was answered {answered.get(name, 0)}, the files have {number}")
            if metadata["filler"] != filler(number):
                found.append(f"{name}: half a change")
        return found

    def numbers(self) -> dict[str, int]:
        return {name: metadata["number"] for name, metadata in self._metadata().items()}

    def _metadata(self) -> dict[str, Any]:
        records = {record["record_key"]: record for record in dump(self._folder / "db")}
        return {name: records[f"node_{name}"]["metadata"] for name in NAMES}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("times", nargs="?", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nm-killed-") as folder:
        result = run(DaemonTarget(Path(folder)), options.times, options.seed)
    print(f"killed daemon: {result} (seed {options.seed})")
    print(*result.faults, sep="\n", end="\n" if result.faults else "")
    return 1 if result.faults else 0


if __name__ == "__main__":
    sys.exit(main())
