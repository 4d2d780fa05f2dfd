"""What a head node needs to call the API: the files that its seed brings it. Rim: reads sshd's public keys.

door.json says where, and as whom; key is the private key; known_hosts says which machine it is to be. Called
by whoever writes a seed, for the account's record as it is then.
"""

import json
from pathlib import Path
from typing import Any

from nm.errors import DeviceFailed
from nm.headkeys import HeadKeys
from nm.records import Record

SSH_PORT = 22


class HeadDoor:
    """The door of one installation. `door` as the configuration has it: HOST, HOST:PORT or [ADDRESS]:PORT."""

    def __init__(self, door: str, host_keys: str | Path, keys: HeadKeys) -> None:
        self.host, self.port = parse(door)
        self._host_keys = Path(host_keys)
        self._keys = keys

    def files(self, account: Record, mac: str | None = None) -> dict[str, str]:
        """The files by name; key is a secret. `mac`: of the NIC on the group's network, where it is known."""
        told: dict[str, Any] = {"host": self.host, "port": self.port, "account": account["account"]}
        told |= {"group": account["group"], **({"mac": mac} if mac else {})}
        return {
            "door.json": json.dumps(told) + "\n",
            "key": self._keys.private(account["account"], account["id"]),
            "known_hosts": self._known_hosts(),
        }

    def _known_hosts(self) -> str:
        try:
            texts = [path.read_text() for path in sorted(self._host_keys.glob("ssh_host_*_key.pub"))]
        except (OSError, ValueError) as error:
            raise DeviceFailed(f"{self._host_keys}: {error}", "let nmd read sshd's public keys") from None
        if not texts:
            raise DeviceFailed(
                f"{self._host_keys} has no ssh_host_*_key.pub", "correct headnodes.host_keys", passing=False
            )
        place = self.host if self.port == SSH_PORT else f"[{self.host}]:{self.port}"
        return "".join(f"{place} {' '.join(text.split()[:2])}\n" for text in texts)


def parse(door: str) -> tuple[str, int]:
    """Host and port of a door; the configuration has checked it."""
    host, colon, port = door.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        host, port = door, str(SSH_PORT)
    return host.strip("[]"), int(port)
