"""A real sshd on the loopback for drivers that log in: it lets root in, and is ended by its pid."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
HOST = "127.0.0.1"
CONFIGURATION = """
ListenAddress 127.0.0.1
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
AuthorizedKeysFile {folder}/authorized .ssh/authorized_keys
MaxSessions {sessions}
# Whoever runs the tests may have a shell that takes long to begin.
SetEnv HOME={folder}
LogLevel VERBOSE
"""


def missing() -> str:
    """Why no such sshd can be had here; empty when it can."""
    absent = [
        program for program in ("sshd", "ssh-keygen", "setpriv") if not shutil.which(program, path=PATH)
    ]
    if absent:
        return f"openssh-server is not installed ({', '.join(absent)})"
    return "" if os.geteuid() == 0 else "needs root"


class Sshd:
    """Lets root in by one key."""

    def __init__(self, folder: Path, sessions: int = 10) -> None:
        self.folder = folder
        self.key = self._make_key("client", "ed25519")
        (folder / "authorized").write_text((folder / "client.pub").read_text())
        self._make_key("host-ed25519", "ed25519")
        self._make_key("host-ecdsa", "ecdsa")
        (folder / "config").write_text(CONFIGURATION.format(folder=folder, sessions=sessions))
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    def _make_key(self, name: str, kind: str, *options: str) -> str:
        file = self.folder / name
        file.unlink(missing_ok=True)
        command = ["ssh-keygen", "-q", "-t", kind, "-N", "", *options, "-f", str(file)]
        subprocess.run(command, check=True, timeout=20)
        return file.read_text()

    def host_key(self, kind: str) -> str:
        """The public half of a host key, without comment."""
        return " ".join((self.folder / f"host-{kind}.pub").read_text().split()[:2])

    def log(self) -> str:
        """What it said so far."""
        return (self.folder / "log").read_text()

    def start(self, *kinds: str) -> None:
        """Listen, with host keys of these kinds."""
        Path("/run/sshd").mkdir(exist_ok=True)
        keys = [f"-oHostKey={self.folder}/host-{kind}" for kind in kinds or ("ed25519", "ecdsa")]
        program = shutil.which("sshd", path=PATH) or "sshd"
        command = [program, "-D", "-e", "-f", f"{self.folder}/config", f"-p{self.port}", *keys]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                env={**os.environ, "PATH": PATH},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((HOST, self.port)) == 0:
                    return
            assert self._process.poll() is None and time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def stop(self) -> None:
        """End it; connections that are open go on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
