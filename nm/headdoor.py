"""What a head node needs to call the API, and its seed brings it: where, as whom, by which key. Rim.

Reads sshd's public keys, by which head nodes know nm's machine. Called by whoever makes a seed, for the
account's record as it is then.
"""

import hashlib
from pathlib import Path

from nm import doormark
from nm.errors import DeviceFailed
from nm.headkeys import HeadKeys
from nm.records import Record
from nm.seed import Door

SSH_PORT = 22


class HeadDoor:
    """The door of one installation. `door` as the configuration has it: HOST, HOST:PORT or [ADDRESS]:PORT."""

    def __init__(self, door: str, host_keys: str | Path, keys: HeadKeys) -> None:
        self._host, self._port = parse(door)
        self._host_keys = Path(host_keys)
        self._keys = keys

    def of(self, account: Record) -> Door:
        """What leads in, as that head node's account."""
        name = account["account"]
        key = self._keys.private(name, account["id"])
        mark = doormark.of(self.site(), account)
        return Door(self._host, self._port, name, key, self._known_hosts(), mark)

    def site(self) -> str:
        """What tells this door from another one, whoever comes by it. Nothing of it is secret."""
        told = [self._host, str(self._port), self._known_hosts(), self._keys.public("", 0)]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()

    def _known_hosts(self) -> str:
        try:
            texts = [path.read_text() for path in sorted(self._host_keys.glob("ssh_host_*_key.pub"))]
        except (OSError, ValueError) as error:
            raise DeviceFailed(f"{self._host_keys}: {error}", "let nmd read sshd's public keys") from None
        if not texts:
            raise DeviceFailed(
                f"{self._host_keys} has no ssh_host_*_key.pub", "correct headnodes.host_keys", passing=False
            )
        place = self._host if self._port == SSH_PORT else f"[{self._host}]:{self._port}"
        return "".join(f"{place} {' '.join(text.split()[:2])}\n" for text in texts)


def parse(door: str) -> tuple[str, int]:
    """Host and port of a door; the configuration has checked it."""
    host, colon, port = door.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        host, port = door, str(SSH_PORT)
    return host.strip("[]"), int(port)
