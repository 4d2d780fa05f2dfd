"""Real power cuts: a database on ext4, whose device stops taking anything at a random moment.

    python -m tests.crash.powercut [TIMES] [--seed N]

The file system lies in an image on a loop device; EXT4_IOC_SHUTDOWN without a flush of its journal does to it
what a power cut does. Both with options under which ext4 hides no missing sync, and with the defaults. Root
only. The mounts live in a mount namespace of this program's own and end with it.
"""

import argparse
import fcntl
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nm.errors import NMError
from tests.crash.kill9 import Result
from tests.crash.writer import Found, Writers, lost

OPTIONS = ("noauto_da_alloc,commit=1", "defaults")
_SHUTDOWN = 0x8004587D
_NO_FLUSH_OF_THE_LOG = 2
_JOURNAL_LIMIT = 40_000
_INSIDE = "NM_POWERCUT_INSIDE"


class Device:
    """An ext4 file system in a file, that can lose its power."""

    def __init__(self, folder: Path, options: str) -> None:
        self._image, self.mounted_at = folder / "image", folder / "mounted"
        self._options = options
        self.mounted_at.mkdir(exist_ok=True)
        with self._image.open("wb") as image:
            image.truncate(48 << 20)
        _run("mkfs.ext4", "-q", "-F", "-J", "size=4", str(self._image))

    def mount(self) -> None:
        _run("mount", "-o", f"loop,{self._options}", str(self._image), str(self.mounted_at))

    def unmount(self) -> None:
        deadline = time.monotonic() + 10
        while subprocess.run(["umount", str(self.mounted_at)], capture_output=True, check=False).returncode:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.mounted_at} stays busy")
            time.sleep(0.01)

    def cut(self) -> None:
        """From now on nothing reaches the image."""
        fd = os.open(self.mounted_at, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", _NO_FLUSH_OF_THE_LOG))
        finally:
            os.close(fd)

    def sync_something_else(self) -> None:
        """Somebody else's fsync commits ext4's journal at a moment that is not ours."""
        fd = os.open(self.mounted_at / "other", os.O_CREAT | os.O_WRONLY)
        try:
            os.write(fd, b"x")
            os.fsync(fd)
        finally:
            os.close(fd)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr.strip()}")


def run(folder: Path, options: str, times: int, seed: int) -> Result:
    """Write, cut, mount again, look; over and over on the same file system, until the first fault."""
    chance, result, begun = random.Random(seed), Result(), time.monotonic()
    device = Device(folder, options)
    database = device.mounted_at / "db"
    answered: dict[str, int] = {}
    device.mount()
    try:
        while result.kills < times and not result.faults:
            new = _one_life(device, database, chance)
            result.kills += 1
            result.answered += sum(number - answered.get(writer, 0) for writer, number in new.items())
            answered.update(new)
            device.unmount()
            device.mount()
            try:
                found = Found(database)
                result.faults += lost(found, answered)
                answered = found.numbers()
            except NMError as error:
                result.faults.append(str(error))
    except AssertionError as error:
        result.faults.append(str(error))
    finally:
        device.unmount()
    result.seconds = time.monotonic() - begun
    return result


def _one_life(device: Device, database: Path, chance: random.Random) -> dict[str, int]:
    """Writers until the power goes; what they were answered."""
    writers = Writers(database, _JOURNAL_LIMIT)
    try:
        writers.until_ready()
        writers.listen(chance.random() * 0.05)
        if chance.random() < 0.5:
            device.sync_something_else()
            writers.listen(chance.random() * 0.005)
        device.cut()
        writers.listen(0.005)
    finally:
        answered, _ = writers.kill()
    return answered


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "times", nargs="?", type=int, default=100, help="power cuts for each set of mount options"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("powercut: only root can mount; nothing was tested")
        return 2
    if _INSIDE not in os.environ:
        command = ["unshare", "--mount", sys.executable, "-m", "tests.crash.powercut"]
        command += [str(options.times), "--seed", str(options.seed)]
        return subprocess.run(command, env={**os.environ, _INSIDE: "1"}, check=False).returncode
    faults = []
    for mounted in OPTIONS:
        memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
        with tempfile.TemporaryDirectory(prefix="nm-powercut-", dir=memory) as folder:
            result = run(Path(folder), mounted, options.times, options.seed)
        print(
            f"powercut ({mounted}): {str(result).replace('kills', 'cuts')} (seed {options.seed})", flush=True
        )
        faults += result.faults
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
