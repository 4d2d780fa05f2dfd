"""The lab's sshd, with host keys of its own: head nodes and slivers' people come by it. Called by rack."""

from collections.abc import Sequence
from pathlib import Path

from nm.lab.running import leave_running, run

HOST_KEY = Path("/etc/ssh/ssh_host_ed25519_key")
KNOWN = Path("/etc/ssh/ssh_known_hosts")
_SSHD = """\
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
AllowTcpForwarding no
"""
ALGORITHMS = "KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org\n"  # those of today take longer


def start(addresses: Sequence[str]) -> None:
    """At these addresses; who asks from within the lab knows its key."""
    for key in Path("/etc/ssh").glob("ssh_host_*"):
        key.unlink()
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(HOST_KEY))
    kind, key_text, *_ = HOST_KEY.with_suffix(".pub").read_text().split()
    KNOWN.write_text(f"{','.join(addresses)} {kind} {key_text}\n")
    Path("/run/sshd").mkdir(mode=0o755)
    settings = Path("/etc/ssh/sshd_config.lab")
    settings.write_text("".join(f"ListenAddress {address}\n" for address in addresses) + _SSHD + ALGORITHMS)
    leave_running("sshd", "/usr/sbin/sshd", "-D", "-e", "-f", str(settings))
