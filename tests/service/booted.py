"""A booted system for tests: this machine's own files under a layer in memory, with systemd as process 1.

Nothing of the machine is changed, and nothing that it runs is seen: network, processes and mounts are
private, what is written is forgotten. None of the machine's enabled services starts.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = """
[Unit]
Description=what is tested
After=basic.target
Requires=basic.target
SuccessAction=poweroff
FailureAction=poweroff

[Service]
Type=oneshot
Environment=HOME=/root LC_ALL=C.UTF-8
WorkingDirectory=/shared
ExecStart=/bin/bash -eu /shared/script
StandardOutput=file:/shared/log
StandardError=file:/shared/log
TimeoutStartSec={seconds}
"""

# Arguments: a folder for the layer, the folder that is shared, then nspawn's own.
BOOT = """
set -eu
layer=$1 shared=$2
shift 2
mount -t tmpfs none "$layer"
mkdir -p /run/systemd
mount -t tmpfs none /run/systemd
mkdir "$layer/upper" "$layer/work" "$layer/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$layer/work" "$layer/root"
root=$layer/root
rm -rf "$root"/etc/systemd/system/*.wants "$root/usr/sbin/policy-rc.d"
rm -rf "$root/etc/nm" "$root/var/lib/nm" "$root/var/lib/nm-homes"
mkdir "$root/shared"
tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
cp "$shared/tested.service" "$root/etc/systemd/system/"
exec systemd-nspawn --quiet --register=no --keep-unit --private-network --boot --machine=tested \\
    --link-journal=no --console=pipe --directory="$root" --bind="$shared:/shared" "$@" \\
    systemd.unit=tested.service systemd.show_status=no </dev/null
"""


def missing() -> str:
    """Why no system can be booted here, or nothing."""
    if os.geteuid() != 0:
        return "only root can boot a system"
    absent = [tool for tool in ("systemd-nspawn", "dpkg", "unshare") if shutil.which(tool) is None]
    return f"{', '.join(absent)} is not installed" if absent else ""


def boot(folder: Path, script: str, *binds: str, seconds: float = 45) -> str:
    """Boot, run that script of bash as root, power off; what it printed. AssertionError when it failed.

    `folder`/shared is /shared inside, so what is put there before is found there. Each of `binds` is
    OUTSIDE:INSIDE, a folder of this machine that is seen there, read-only.
    """
    shared = folder / "shared"
    shared.mkdir(parents=True, exist_ok=True)
    (folder / "layer").mkdir()
    (shared / "script").write_text(f"{script}\ntouch /shared/passed\n")
    (shared / "tested.service").write_text(UNIT.format(seconds=int(seconds)))
    more = [f"--bind-ro={bind}" for bind in binds]
    command = [
        "unshare",
        "--mount",
        "--pid",
        "--mount-proc",
        "--fork",
        "--kill-child",
        "bash",
        "-c",
        BOOT,
        "boot",
    ]
    with subprocess.Popen(
        [*command, str(folder / "layer"), str(shared), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            console, _ = process.communicate(timeout=seconds + 30)
        finally:
            process.kill()
    log = shared / "log"
    if not log.exists() and b"mount:" in console:
        pytest.skip("this machine has no overlay mounts")
    told = log.read_text() if log.exists() else console.decode(errors="replace")
    if not (shared / "passed").exists():
        raise AssertionError(f"the script failed in the booted system:\n{told}")
    return told
