"""The network between head nodes and nm in a lab that boots: a bridge, addresses by DHCP.

A head node's management NIC hangs on the bridge; nodes never do. Called by rack; the daemon's configuration
names the door.
"""

from nm.lab.running import leave_running, run

BRIDGE = "mgmt0"
DOOR = "10.8.0.1"
_RANGE = "10.8.0.100,10.8.0.250,255.255.255.0,1h"


def start() -> None:
    """The bridge, with the address at which nm's door is to be."""
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "add", f"{DOOR}/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    quiet = ("--conf-file=/dev/null", "--keep-in-foreground", "--log-facility=-", "--pid-file=")
    here = (f"--interface={BRIDGE}", "--bind-interfaces", "--port=0", f"--dhcp-range={_RANGE}")
    no_way_out = ("--dhcp-option=option:router", "--dhcp-leasefile=/run/mgmt.leases")
    at_once = ("--no-ping",)  # nobody else gives addresses here
    leave_running("management-dhcp", "dnsmasq", *quiet, *here, *no_way_out, *at_once)
