"""The commands for the pool: switches, ports, trunks, hosts, nodes, VLANs, head nodes."""

from dataclasses import replace
from typing import Any

from nm.shell import columns, values
from nm.shell.failures import MISSING_CODE, NOT_FOUND, Failure, Usage
from nm.shell.registering import register_ports
from nm.shell.table import (
    CHANGES,
    FILTER,
    FREE,
    SETTINGS,
    WAIT,
    Arg,
    Command,
    Options,
    Show,
    filter_by,
    named,
    names,
    option,
    word,
)

MANAGEMENT = option("management", "how its power is switched: driver=...,address=...", parse=values.settings,
                    metavar="KEY=VALUE,...")  # fmt: skip
NICS = option("nic", "a NIC: NAME,MAC[,SWITCH,PORT[,ROLE]]; may be given again", parse=values.nic, key="nics",
              repeat=True, metavar="NIC")  # fmt: skip
_SPOKEN = {"headnode": "head node", "headnodes": "head nodes", "vlan": "VLAN", "vlans": "VLANs"}
IN_SERVICE = "available=false reason=TEXT takes it out of service, available=true back"
VLAN_IDS = Arg("vlan", "ids and ranges, as 100,105-110", values.numbers, count="+", flat=True, each=True)
VLAN_ID = Arg("vlan", "the VLAN's id", int)


def first(what: str) -> Any:
    """Takes the one struct out of a list; NotFound when there is none."""

    def take(answer: Any, options: Options) -> Any:
        if not answer:
            name = getattr(options, what)
            raise Failure(
                f"no {what} {name}", f"`nmctl {what} list` shows what there is", NOT_FOUND, MISSING_CODE
            )
        return answer[0]

    return take


def some(what: str) -> Any:
    """Takes a list as it is; NotFound when it was asked for by names, and there is none of them."""

    def take(answer: Any, options: Options) -> Any:
        if not answer and (missed := named(options)):
            said = f"no {_SPOKEN.get(what, what)} {', '.join(map(str, missed))} to list"
            hint = f"`nmctl {what} list` shows what there is; a filter is KEY=VALUE, as free=true"
            raise Failure(said, hint, NOT_FOUND, MISSING_CODE)
        return answer

    return take


def _list(noun: str, method: str, kind: str, filter: Arg = FILTER) -> Command:
    about = f"list the {_SPOKEN.get(kind, kind)}"
    return Command(
        f"{noun} list", method, about, (FREE, filter), True, show=columns.listed(kind), take=some(noun)
    )


def _show(noun: str, method: str, show: Show = columns.detailed) -> Command:
    name = word(noun, "its name", key="name")
    about = f"show one {_SPOKEN.get(noun, noun)} whole"
    return Command(f"{noun} show", method, about, (name,), True, take=first(noun), show=show)


def _update(noun: str, method: str, changes: Arg = CHANGES) -> Command:
    about = f"change a {_SPOKEN.get(noun, noun)}"
    say = f"{_SPOKEN.get(noun, noun)} {{{noun}}} updated"
    args = (word(noun, "its name"), changes)
    return Command(f"{noun} update", method, about, args, True, say, epilog=IN_SERVICE)


def _unregister(noun: str, method: str, spoken: str) -> Command:
    args = (names(noun, "their names", each=True),)
    say = f"{_SPOKEN.get(noun, noun)} {{{noun}}} unregistered"
    return Command(f"{noun} unregister", method, f"forget {spoken} that nobody uses", args, say=say)


def _ports_or_all(options: Options) -> None:
    if bool(options.ports) == options.all:
        raise Usage("name ports, or say --all", "--all means every port that no group uses")


def _ports_or_all_there(options: Options) -> None:
    if bool(options.port) == options.all:
        raise Usage("name ports, or say --all", "--all means every port that the switch has")
    if options.all and options.dry_run:
        raise Usage(
            "what a switch has is known when it was read",
            "`nmctl switch inspect SWITCH --wait` lists its ports",
        )


def _two_ends(options: Options) -> None:
    if len(options.end) != 2:
        raise Usage(
            "a trunk has two ends", "give --end twice: --end switch=sw0,port=t1 --end host=h0,device=eth5"
        )


_TAKEN = ("isolated", "in group", "trunk with")  # how the daemon begins when a port is as it was asked for


def left_alone(result: dict[str, str]) -> dict[str, str]:
    """The ports that a reset or an adoption could not take, and why."""
    return {port: why for port, why in result.items() if not why.startswith(_TAKEN)}


def _driver(answer: Any, options: Options) -> Any:
    if options.driver not in answer:
        raise Failure(
            f"no driver {options.driver}", "`nmctl driver list` shows what there is", NOT_FOUND, MISSING_CODE
        )
    return answer[options.driver]


PORTS = Arg(
    "ports", "the ports' names, or ranges as Gi1/0/1-48", values.ports, count="*", flat=True, spare=True
)
ALL = Arg("--all", "every port that no group uses", flag=True, local=True)
SWITCH = word("switch", "the switch's name")
FORCE = Arg("--force", "let go at once; what cannot be undone now is owed and undone later", flag=True,
            spare=True)  # fmt: skip

SWITCH_CHANGES = replace(CHANGES, parse=values.switch_pair)
SWITCHES = (
    _list("switch", "GetSwitches", "switches"),
    _show("switch", "GetSwitches", columns.switch),
    Command("switch register", "RegisterSwitch", "add a switch; only records, nothing is touched",
            (SWITCH, option("driver", "its kind, as cli or ovs; `nmctl driver list` has them", needed=True),
             replace(SETTINGS, parse=values.switch_pair)), struct=True, say="switch {switch} registered",
            epilog="nmctl switch register sw0 --driver cli dialect=cisco_ios address=192.0.2.10 user=nm"
                   " secrets.password=sw0"),
    _update("switch", "UpdateSwitch", SWITCH_CHANGES),
    _unregister("switch", "UnregisterSwitch", "switches"),
    Command("switch inspect", "InspectSwitch", "read a switch: model, ports, VLANs, differences",
            (SWITCH, WAIT), job=True, say="inspect {switch}"),
    Command("switch state", "GetSwitchState", "show VLANs and ports as last read", (SWITCH,),
            show=columns.switch_state),
    Command("switch reset", "ResetPorts", "isolate ports, so that they can be given out",
            (SWITCH, PORTS, ALL, WAIT), job=True, say="reset {switch}", check=_ports_or_all,
            judge=left_alone),
    Command("switch adopt", "AdoptPorts", "take over what ports carry now, as it is",
            (SWITCH, PORTS, ALL, WAIT), job=True, say="adopt {switch}", check=_ports_or_all,
            judge=left_alone, also=("adopt",)),
    Command("switch repair", "RepairSwitch", "bring back a switch that was changed, wiped or replaced",
            (SWITCH, WAIT), job=True, say="repair {switch}",
            epilog="Ports that were never reset or adopted stay as they are."),
    Command("switch release", "ReleaseSwitch", "take back all that groups have on a switch",
            (SWITCH, FORCE, WAIT), job=True, say="release {switch}",
            epilog="Its nodes leave their groups. Nodes and VLANs that may still be joined on it are not"
                   " given out before it answers and was read back."),
    Command("switch replace", "ReplaceSwitch", "another device is in its place: isolate its ports, join anew",
            (SWITCH, replace(SWITCH_CHANGES, count="*"), WAIT), job=True, struct=True, say="replace {switch}",
            epilog="nmctl switch replace sw0 address=192.0.2.7 --wait"),
)  # fmt: skip

DRIVERS = (
    Command("driver list", "GetDrivers", "list the kinds of switches and what each needs", (),
            show=columns.drivers),
    Command("driver show", "GetDrivers", "show one kind of switch: its settings and what they can be",
            (word("driver", "its name", local=True),), take=_driver, show=columns.detailed),
)  # fmt: skip

WIRING = (
    _list("port", "GetPorts", "ports", filter_by("port")),
    Command("port show", "GetPorts", "show one port whole",
            (replace(SWITCH, key="switch"), word("port", "the port's name", key="port")),
            struct=True, take=first("port"), show=columns.detailed),
    Command("port register", "RegisterPort", "add ports of a switch",
            (SWITCH, Arg("port", "the ports as the switch calls them, or ranges as Gi1/0/1-48", values.ports,
                         count="*", flat=True, each=True),
             Arg("--all", "every port that the switch has and the pool has not; it is read", flag=True,
                 local=True),
             option("description", "what is at the other end")), struct=True,
            say="port {switch} {port} registered", check=_ports_or_all_there, run=register_ports,
            uses=("InspectSwitch", "GetPorts", "Import", "WaitJob"),
            epilog="nmctl port register sw0 --all"),
    Command("port update", "UpdatePort", "change what is known of a port: description=TEXT",
            (SWITCH, word("port", "the port's name"), CHANGES), struct=True,
            say="port {switch} {port} updated"),
    Command("port unregister", "UnregisterPort", "forget ports that nobody uses",
            (SWITCH, Arg("port", "the ports' names, or ranges as Gi1/0/1-48", values.ports, count="+",
                         flat=True, each=True)),
            say="port {switch} {port} unregistered"),
    Command("port repair", "RepairPort", "make a port what the database says",
            (SWITCH, word("port", "the port's name"), WAIT), job=True, say="repair {switch} {port}"),
    _list("trunk", "GetTrunks", "trunks"),
    _show("trunk", "GetTrunks"),
    Command("trunk register", "RegisterTrunk", "add a link that carries several VLANs",
            (word("trunk", "the trunk's name"),
             option("end", "switch=S,port=P or host=H,device=D; twice", parse=values.end, key="ends",
                    repeat=True, needed=True, metavar="END"),
             option("native", "its native VLAN, which carries nothing of nm's", parse=int, metavar="VLAN")),
            struct=True, say="trunk {trunk} registered", check=_two_ends,
            epilog="nmctl trunk register t1 --end switch=sw0,port=t1 --end host=h0,device=eth5"),
    Command("trunk update", "UpdateTrunk", "change a trunk that no group needs",
            (word("trunk", "the trunk's name"),
             option("end", "switch=S,port=P or host=H,device=D; both, when one is new", parse=values.end,
                    key="ends", repeat=True, metavar="END"),
             option("native", "its native VLAN", parse=int, metavar="VLAN")),
            struct=True, say="trunk {trunk} updated"),
    _unregister("trunk", "UnregisterTrunk", "trunks"),
    _list("host", "GetHosts", "hosts"),
    _show("host", "GetHosts"),
    Command("host register", "RegisterHost", "add a machine that runs libvirt",
            (word("host", "the host's name"), option("uri", "libvirt's URI, as qemu:///system", needed=True),
             option("network", "kind=linux|ovs,device=DEVICE", parse=values.settings,
                    metavar="KEY=VALUE,..."),
             SETTINGS), struct=True, say="host {host} registered",
            epilog="nmctl host register h0 --uri qemu:///system --network kind=ovs,device=br0"),
    _update("host", "UpdateHost"),
    _unregister("host", "UnregisterHost", "hosts"),
)  # fmt: skip

NODE = word("node", "the node's name")
NODES = (
    _list("node", "GetNodes", "nodes"),
    _show("node", "GetNodes", columns.node),
    Command("node register", "RegisterNode", "add a machine",
            (NODE, NICS, MANAGEMENT, option("id", "a number of its own", parse=int), SETTINGS), struct=True,
            say="node {node} registered",
            epilog="nmctl node register n1 --nic boot,52:54:00:00:00:01,sw0,p1,boot"
                   " --management driver=simulated"),
    Command("node update", "UpdateNode", "change a node",
            (NODE, NICS, MANAGEMENT, replace(CHANGES, count="*")), struct=True, say="node {node} updated",
            epilog=IN_SERVICE),
    Command("node connect", "ConnectNic", "wire a NIC to a switch's port",
            (NODE, word("nic", "the NIC's name"), SWITCH, word("port", "the port's name")),
            say="node {node} {nic} connected to {switch} {port}"),
    Command("node release", "ReleaseNode", "take a node back from its group",
            (NODE, FORCE, WAIT), job=True, say="release {node}"),
    Command("node clear", "ClearNode", "declare failed or dirty nodes good again",
            (names("node", "the nodes' names", each=True),), say="node {node} cleared"),
    _unregister("node", "UnregisterNode", "nodes"),
    Command("power", "PowerNode", "switch nodes on or off, ask, or choose what they boot from",
            (names("node", "the nodes' names, with commas", count="", each=True),
             word("action", "what to do", choices=("on", "off", "cycle", "status", "pxe", "disk")), WAIT),
            job=True, say="power {action} {node}", also=("node power",)),
)  # fmt: skip

VLANS = (
    _list("vlan", "GetVlans", "vlans", filter_by("id", values.numbers)),
    Command("vlan show", "GetVlans", "show one VLAN whole", (replace(VLAN_ID, key="id"),), struct=True,
            take=first("vlan"), show=columns.detailed),
    Command("vlan register", "RegisterVlan", "add VLANs",
            (VLAN_IDS, option("shared", "several groups may use it", flag=True)), struct=True,
            say="VLAN {vlan} registered", epilog="nmctl vlan register 100,105-110"),
    Command("vlan update", "UpdateVlan", "change a VLAN", (VLAN_ID, CHANGES), struct=True,
            say="VLAN {vlan} updated", epilog=IN_SERVICE),
    Command("vlan unregister", "UnregisterVlan", "forget VLANs that nobody uses", (VLAN_IDS,),
            say="VLAN {vlan} unregistered"),
)  # fmt: skip

HEADNODES = (
    _list("headnode", "GetHeadNodes", "headnodes"),
    _show("headnode", "GetHeadNodes"),
    Command("headnode register", "RegisterHeadNode", "add a VM that may control a group",
            (word("headnode", "its name"), option("host", "the host it runs on", needed=True),
             option("domain", "an existing libvirt domain"), option("image", "a registered image"), SETTINGS),
            struct=True, say="head node {headnode} registered"),
    _update("headnode", "UpdateHeadNode"),
    Command("headnode clear", "ClearHeadNode", "declare dirty head nodes clean again",
            (names("headnode", "their names", each=True),), say="head node {headnode} cleared"),
    _unregister("headnode", "UnregisterHeadNode", "head nodes"),
)  # fmt: skip

COMMANDS = (*SWITCHES, *DRIVERS, *WIRING, *NODES, *VLANS, *HEADNODES)
