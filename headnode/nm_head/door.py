"""The door to nm: a call is an XML-RPC request on the standard input of a session of this head node's key.

All that nm lets in by that key is PowerNode and GetStatus of the group, and looks at jobs of our own.
A login takes seconds where the head node is a slow one, so all calls of one Door share one connection:
the first call opens it, OpenSSH's ControlMaster keeps it, and when it broke the next call opens another.
A call that finds it just breaking, or full (sshd's MaxSessions), logs in by itself: ssh does so before
anything was sent, so no call goes out twice by that.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import xmlrpc.client
from pathlib import Path
from typing import Any, Callable
from xml.parsers.expat import ExpatError

from nm_head.errors import HeadError
from nm_head.settings import Settings

SECONDS = 150.0  # for one call; nm's side gives up earlier
WAIT = 50  # seconds that one WaitJob waits
JOB_SECONDS = 900.0  # until a job counts as failed
PAUSES = (1.0, 3.0, 9.0)  # before a call is tried again
IDLE = 60  # seconds after which a connection ends by itself that nobody uses, as when linky was killed
_SSH_FAILED = 255
_FINAL = (b"Permission denied", b"verification failed", b"No such file")  # no use to try again
_OVER = ("done", "failed", "superseded")
_WORD = re.compile(r"[A-Za-z0-9_\[:.][A-Za-z0-9._:\[\]-]*")


class Door:
    """Calls nm, until it is closed. Threads may share it."""

    def __init__(self, settings: Settings, pause: Callable[[float], None] = time.sleep) -> None:
        self._pause = pause
        self._command = _command(settings.door)
        settings.run.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="ssh-", dir=settings.run))  # nobody else's: 0700
        self._socket = self._folder / "s"
        self._opening = threading.Lock()

    def close(self) -> None:
        """End the connection."""
        if self._open():
            self._ssh("-O", "exit")
        shutil.rmtree(self._folder, ignore_errors=True)

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method, and answer what nm answers."""
        request = xmlrpc.client.dumps(arguments, method, allow_none=True).encode()
        answer = self._sent(request)
        try:
            return xmlrpc.client.loads(answer)[0][0]
        except xmlrpc.client.Fault as fault:
            raise HeadError(f"{method}: {fault.faultString}") from None
        except (ExpatError, xmlrpc.client.Error, ValueError, IndexError):
            raise HeadError(
                f"{method}: what came back is no answer of nm's", "look at the door's sshd"
            ) from None

    def power(self, node: str, action: str) -> str:
        """Do something to a node's power; returns when nm has confirmed it."""
        number = self.call("PowerNode", node, action)
        until = time.monotonic() + JOB_SECONDS
        while (job := self.call("WaitJob", number, WAIT))["state"] not in _OVER:
            if time.monotonic() > until:
                raise HeadError(f"{node}: {action} is not over after {JOB_SECONDS:.0f} s")
        if job["state"] != "done":
            raise HeadError(f"{node}: {action}: {(job['error'] or {}).get('text') or job['state']}")
        return str(job["result"])

    def _sent(self, request: bytes) -> bytes:
        for pause in (*PAUSES, None):
            done = self._once(request)
            if done.returncode != _SSH_FAILED or pause is None or any(one in done.stderr for one in _FINAL):
                break
            self._pause(pause)
        if done.returncode == _SSH_FAILED or not done.stdout:
            words = done.stderr.decode(errors="replace").strip().splitlines() or ["no answer"]
            raise HeadError(f"the door: {words[-1][:200]}", "is nm's machine up, and this key still good?")
        return done.stdout

    def _once(self, request: bytes) -> subprocess.CompletedProcess[bytes]:
        """Send it, over the connection that there is, or else a new one."""
        with self._opening:  # many at once, and one of them opens it
            if not self._open():
                self._socket.unlink(missing_ok=True)
                done = self._ssh("-N", "-o", "ControlMaster=yes", "-o", f"ControlPersist={IDLE}")
                if done.returncode != 0:
                    return done
        return self._ssh("-o", "ControlMaster=no", request=request)

    def _open(self) -> bool:
        """Whether somebody listens there; what a process left that was killed does not count."""
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self._socket))
            except OSError:
                return False
        return True

    def _ssh(self, *words: str, request: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run it. Its words go to a file, for what stays in the background may keep it open."""
        command = [self._command[0], "-o", f"ControlPath={self._socket}", *words, *self._command[1:]]
        with tempfile.TemporaryFile() as told:
            try:
                done = subprocess.run(
                    command, input=request, stdout=subprocess.PIPE, stderr=told, timeout=SECONDS, check=False
                )
            except FileNotFoundError:
                raise HeadError("there is no program ssh", "install openssh-client") from None
            except subprocess.TimeoutExpired:
                raise HeadError(f"the door did not answer in {SECONDS:.0f} s", "it is tried again") from None
            told.seek(0)
            done.stderr = told.read()
        return done


def _command(folder: Path) -> list[str]:
    """The words of ssh up to the host: nothing is asked, nothing but our own key and known host is used."""
    try:
        told = json.loads((folder / "door.json").read_bytes())
        host, account, port = str(told["host"]), str(told["account"]), int(told.get("port") or 22)
    except FileNotFoundError:
        raise HeadError(f"no door to nm: {folder}/door.json is not there", "run nm-head-seed") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise HeadError(f"{folder}/door.json: {error!r}", "run nm-head-seed again") from None
    if not (_WORD.fullmatch(host) and _WORD.fullmatch(account)):
        raise HeadError(f"{folder}/door.json names no host and account", "run nm-head-seed again")
    options = {
        "BatchMode": "yes", "IdentitiesOnly": "yes", "IdentityAgent": "none",
        "IdentityFile": folder / "key", "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": folder / "known_hosts", "GlobalKnownHostsFile": "/dev/null",
        "ConnectTimeout": 10, "ServerAliveInterval": 15, "LogLevel": "ERROR",
        "Port": port, "User": account,
    }  # fmt: skip
    settled = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "/dev/null", "-T", *settled, host]
