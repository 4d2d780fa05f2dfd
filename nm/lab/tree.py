"""The reference image of a lab's slivers: a tree of busybox, which containers share. In the lab's cache."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from nm.lab.archive import busybox, kept

NAME = "slice"  # in the pool
MEMORY = 64  # MiB that a sliver may take
_FOLDERS = (
    "bin",
    "sbin",
    "usr/bin",
    "proc",
    "sys",
    "dev",
    "mnt",
    "root",
    "etc",
    "tmp",
    "run",
    "var/log",
    ".oldroot",
)
_ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\n"


def settings() -> dict[str, Any]:
    """What nmd is told of the image; it is made when it is not there."""
    program = busybox().read_bytes()
    return {
        "kind": "root",
        "root": f"{kept([program, Path(__file__).read_bytes()], _plant)}/root",
        "memory": MEMORY,
    }


def _plant(folder: Path) -> None:
    root = folder / "root"
    for part in _FOLDERS:
        (root / part).mkdir(mode=0o755, parents=True)
    (root / "tmp").chmod(0o1777)
    shutil.copy(busybox(), root / "bin" / "busybox")
    for applet in subprocess.check_output([str(busybox()), "--list"], text=True).split():
        if applet not in ("busybox", "init"):  # without an init of its own a container just stays
            (root / "bin" / applet).symlink_to("busybox")
    (root / "etc" / "passwd").write_text(_ACCOUNTS)
    (root / "etc" / "group").write_text("root:x:0:\n")
