"""A real nmd for benchmarks, in a folder and a process of its own; and wrk, which asks it."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nm.client import connect

PATIENCE = 60.0  # seconds

# What every wrk script begins with. Each thread has a Lua of its own: its number is `id`, and what it found
# `wrong` counts as errors. The numbers come out in one line.
_FRAME = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "text/xml"
wrong = 0
local threads = {}
function setup(thread)
    thread:set("id", #threads)
    table.insert(threads, thread)
end
function response(status, headers, body)
    if status ~= 200 or not body:find(expected, 1, true) then wrong = wrong + 1 end
end
function done(summary, latency, requests)
    local e = summary.errors
    local errors = e.connect + e.read + e.write + e.timeout + e.status
    for _, thread in ipairs(threads) do errors = errors + thread:get("wrong") end
    io.write(string.format("RESULT %d %d %d %d\\n", summary.requests, summary.duration, errors,
        latency:percentile(99)))
end
"""


class Nmd:
    """One daemon, with `more` in its configuration. `folder` is on a disk; lists go to memory, as in /run."""

    def __init__(self, folder: Path, lists: Path, *, tcp: bool = False, more: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.secrets = folder / "secrets"
        self.secrets.mkdir(mode=0o700)
        self._config = folder / "nm.toml"
        self._config.write_text(
            f'[daemon]\ndatabase = "{folder}/db"\nlock = "{folder}/lock"\nlog = ""\nlog_level = "warning"\n'
            f'[api]\nsocket = "{folder}/api.sock"\ntcp = {str(tcp).lower()}\nport = {self.port}\n'
            f'addresses = ["127.0.0.1"]\n[export]\nfolder = "{lists}"\n'
            f'[secrets]\nfolder = "{self.secrets}"\n{more}'
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._ear: socket.socket | None = None
        self._listener: threading.Thread | None = None

    def start(self) -> float:
        """Start it; the seconds until it said that it is ready."""
        address = self.folder / "notify"
        address.unlink(missing_ok=True)
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ear.bind(str(address))
        self._ear.settimeout(PATIENCE)
        begun = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nm.daemon", "--config", str(self._config)],
            env={**os.environ, "NOTIFY_SOCKET": str(address)},
        )
        said = self._ear.recv(200)
        taken = time.perf_counter() - begun
        assert said == b"READY=1", said
        self._listener = threading.Thread(target=self._listen, args=(self._ear,), daemon=True)
        self._listener.start()
        return taken

    @staticmethod
    def _listen(ear: socket.socket) -> None:
        """Hear what else it says, as systemd would: few messages fit into the socket."""
        ear.settimeout(None)
        while ear.recv(200):
            pass

    def stop(self) -> float:
        """SIGTERM; the seconds until it has ended."""
        assert self._process is not None
        begun = time.perf_counter()
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(PATIENCE)
        taken = time.perf_counter() - begun
        assert status == 0, status
        return taken

    def kill(self) -> None:
        """End it, if it is there, whatever it is at."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._ear is not None:
            self._ear.shutdown(socket.SHUT_RDWR)
            if self._listener is not None:
                self._listener.join()
            self._ear.close()
            self._ear = self._listener = None

    def status(self, key: str) -> int:
        """A number of the kernel's account of the process: VmRSS in kB, Threads."""
        assert self._process is not None
        text = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(text.partition(f"\n{key}:")[2].split()[0])

    def processor_seconds(self) -> float:
        """What it has used of processors, by the kernel's clock of that process (clock_getcpuclockid(3))."""
        assert self._process is not None
        return time.clock_gettime(~self._process.pid << 3 | 2)

    def call(self, method: str, *arguments: Any) -> Any:
        """One call over the Unix socket."""
        with connect(f"{self.folder}/api.sock") as proxy:
            return getattr(proxy, method)(*arguments)

    @property
    def url(self) -> str:
        """Where wrk finds it."""
        return f"http://127.0.0.1:{self.port}/RPC2"


@contextlib.contextmanager
def place() -> Iterator[tuple[Path, Path]]:
    """A folder on disk (/tmp may be in memory) and one in memory; both are gone at the end."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="nm-bench-", dir="/var/tmp") as disk,
        tempfile.TemporaryDirectory(prefix="nm-bench-", dir=memory) as lists,
    ):
        yield Path(disk), Path(lists)


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass(frozen=True)
class Answers:
    """What wrk saw."""

    rate: float  # a second
    p99: float  # ms


def wrk(url: str, script: str, expected: str, clients: int, seconds: float) -> Answers:
    """Let that many keep-alive clients ask as `script` (Lua) says; `expected` stands in every good answer."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(f"{_FRAME}\nexpected = [[{expected}]]\n{script}")
        file.flush()
        output = subprocess.run(
            ["wrk", f"-t{min(clients, 2)}", f"-c{clients}", f"-d{seconds}s", "-s", file.name, url],
            capture_output=True, text=True, timeout=seconds + 30, check=True,
        ).stdout  # fmt: skip
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+)", output)
    assert found is not None, output
    requests, microseconds, errors, late = map(int, found.groups())
    assert errors == 0 < requests, output
    return Answers(requests / microseconds * 1e6, late / 1e3)
