"""The door to nm: a call is an XML-RPC request on the standard input of a login by this head node's key.

All that nm lets in by that key is PowerNode and GetStatus of the group, and looks at jobs of our own.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
import xmlrpc.client
from typing import Any, Callable
from xml.parsers.expat import ExpatError

from nm_head.errors import HeadError
from nm_head.settings import Settings

SECONDS = 150.0  # for one call; nm's side gives up earlier
WAIT = 50  # seconds that one WaitJob waits
JOB_SECONDS = 900.0  # until a job counts as failed
PAUSES = (1.0, 3.0, 9.0)  # before a login is tried again
_SSH_FAILED = 255
_FINAL = (b"Permission denied", b"verification failed", b"No such file")  # no use to try again
_OVER = ("done", "failed", "superseded")
_WORD = re.compile(r"[A-Za-z0-9_\[:.][A-Za-z0-9._:\[\]-]*")


class Door:
    """Calls nm. Threads may share it."""

    def __init__(self, settings: Settings, pause: Callable[[float], None] = time.sleep) -> None:
        self._pause = pause
        folder = settings.door
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
        self._command = ["ssh", "-F", "/dev/null", "-T", *settled, "--", host]

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
            try:
                done = subprocess.run(
                    self._command, input=request, capture_output=True, timeout=SECONDS, check=False
                )
            except FileNotFoundError:
                raise HeadError("there is no program ssh", "install openssh-client") from None
            except subprocess.TimeoutExpired:
                raise HeadError(f"the door did not answer in {SECONDS:.0f} s", "it is tried again") from None
            if done.returncode != _SSH_FAILED or pause is None or any(one in done.stderr for one in _FINAL):
                break
            self._pause(pause)
        if done.returncode == _SSH_FAILED or not done.stdout:
            words = done.stderr.decode(errors="replace").strip().splitlines() or ["no answer"]
            raise HeadError(f"the door: {words[-1][:200]}", "is nm's machine up, and this key still good?")
        return done.stdout
