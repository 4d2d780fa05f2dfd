"""The network between head nodes and nm in a lab that boots: a bridge, addresses by DHCP, nm's door.

A head node's management NIC hangs on the bridge; nodes never do. Called by rack; the daemon's configuration
names the door.
"""

from pathlib import Path

from nm.lab.running import leave_running, run

BRIDGE = "mgmt0"
DOOR = "10.8.0.1"
_RANGE = "10.8.0.100,10.8.0.250,255.255.255.0,1h"
_SSHD = f"""\
ListenAddress {DOOR}
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
AllowTcpForwarding no
KexAlgorithms curve25519-sha256
"""


def start() -> None:
    """The bridge with nm's door on it. The host's keys are the lab's own."""
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "add", f"{DOOR}/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    quiet = ("--conf-file=/dev/null", "--keep-in-foreground", "--log-facility=-", "--pid-file=")
    here = (f"--interface={BRIDGE}", "--bind-interfaces", "--port=0", f"--dhcp-range={_RANGE}")
    no_way_out = ("--dhcp-option=option:router", "--dhcp-leasefile=/run/mgmt.leases")
    at_once = ("--no-ping",)  # nobody else gives addresses here
    leave_running("management-dhcp", "dnsmasq", *quiet, *here, *no_way_out, *at_once)
    for key in Path("/etc/ssh").glob("ssh_host_*"):
        key.unlink()
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", "/etc/ssh/ssh_host_ed25519_key")
    Path("/run/sshd").mkdir(mode=0o755)
    settings = Path("/etc/ssh/sshd_config.lab")
    settings.write_text(_SSHD)
    leave_running("sshd", "/usr/sbin/sshd", "-D", "-e", "-f", str(settings))
