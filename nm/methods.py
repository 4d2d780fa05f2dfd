"""The table of the API: every method with its arguments, its right, its operation and its documentation.

The door (nm/api.py) dispatches by it, checks arguments by it, and Help, system.methodHelp and the printed
reference (nm/reference.py) are made from it. Who may call a method says nm/rights.py, and a method
without a row there does not load. A method whose operation is None is answered by the door itself. Pure.
"""

from nm import drift, groups, leases, lending, pool, sliverops
from nm.accountmethods import ACCOUNTS
from nm.arguments import (
    COUNT,
    FLAG,
    GROUP,
    KEYS,
    LIST,
    NAME,
    NAME_OR_NIL,
    NAMES,
    PATH,
    PORT,
    PORTS,
    SECONDS,
    STRUCT,
    TEXT,
    TIME,
    VLAN,
    Method,
    Param,
)
from nm.arguments import door_row as _door
from nm.arguments import read_row as _read
from nm.arguments import write_row as _write
from nm.descriptionmethods import DESCRIPTIONS
from nm.federationmethods import FEDERATION
from nm.imagemethods import IMAGES
from nm.plcmethods import PLC
from nm.recoverymethods import RECOVERY
from nm.sitemethods import SITES
from nm.slivermethods import SLIVERS

_CHANGES = Param("changes", STRUCT, "the keys to change; those not named stay")
_FILTER = Param("filter", STRUCT, "keys of the structs to a value or a list of values; {} for all")
_SWITCH = Param("switch", NAME)
_PORT = Param("port", PORT)
_PORTS = Param("ports", PORTS, "all that no group uses when left out", optional=True)
_NAME = Param("name", NAME)
_NODE = Param("node", NAME)
_GROUP = Param("group", GROUP)
_NODES = Param("nodes", NAMES)
_JOB = Param("id", COUNT, "a job's id")
_VLAN_ID = Param("id", VLAN, "from 2 to 4094")

_POOL = (
    _write(
        "RegisterSwitch",
        pool.register_switch,
        "Records a switch; touches nothing. Answers 1.",
        _NAME,
        Param("settings", STRUCT, "driver, address, the driver's own keys, secrets by name"),
    ),
    _write(
        "UpdateSwitch",
        pool.update_switch,
        "Changes a switch's settings, or takes it out of service: available, reason. Answers 1.",
        _NAME,
        _CHANGES,
    ),
    _write(
        "UnregisterSwitch",
        pool.unregister_switch,
        "Forgets a switch that nothing uses, and its ports. Answers 1.",
        _NAME,
    ),
    _read(
        "GetSwitches",
        pool.get_switches,
        "array",
        "The switches, in the order of their names.",
        _FILTER,
    ),
    _read(
        "GetDrivers",
        pool.get_drivers,
        "struct",
        "The kinds of switches: name to {settings: name to type, required, choices: setting to values}.",
        since=5,
    ),
    _write(
        "RegisterPort",
        pool.register_port,
        "Records a port of a switch. Answers 1.",
        _SWITCH,
        _PORT,
        Param("settings", STRUCT, optional=True),
    ),
    _write("UpdatePort", pool.update_port, "Describes a port. Answers 1.", _SWITCH, _PORT, _CHANGES, since=3),
    _write(
        "UnregisterPort",
        pool.unregister_port,
        "Forgets a port that nothing is connected to. Answers 1.",
        _SWITCH,
        _PORT,
    ),
    _read(
        "GetPorts",
        pool.get_ports,
        "array",
        "The ports, in the order of their names.",
        _FILTER,
    ),
    _write(
        "RegisterTrunk",
        pool.register_trunk,
        "Records a link that carries several VLANs between two switches, or a switch and a host. Answers 1.",
        _NAME,
        Param("settings", STRUCT, "ends: two of {switch, port} or {host, device}; native"),
    ),
    _write(
        "UpdateTrunk",
        pool.update_trunk,
        "Changes a trunk that no group's path needs. Answers 1.",
        _NAME,
        _CHANGES,
        since=3,
    ),
    _write(
        "UnregisterTrunk",
        pool.unregister_trunk,
        "Forgets a trunk that no group's path needs. Answers 1.",
        _NAME,
    ),
    _read(
        "GetTrunks",
        pool.get_trunks,
        "array",
        "The trunks, in the order of their names.",
        _FILTER,
    ),
    _write(
        "RegisterHost",
        pool.register_host,
        "Records a machine that runs libvirt. Answers 1.",
        _NAME,
        Param("settings", STRUCT, "uri, network: {kind, device}, [host_key, secrets, pool, emulate]"),
    ),
    _write(
        "UpdateHost",
        pool.update_host,
        "Changes a host; what leads to it only while nobody uses it. Answers 1.",
        _NAME,
        _CHANGES,
    ),
    _write(
        "UnregisterHost",
        pool.unregister_host,
        "Forgets a host that has no head node, no trunk and no component of a description. Answers 1.",
        _NAME,
    ),
    _read(
        "GetHosts",
        pool.get_hosts,
        "array",
        "The hosts, in the order of their names.",
        _FILTER,
    ),
    _write(
        "RegisterNode",
        pool.register_node,
        "Records a machine of the pool. Answers 1.",
        _NAME,
        Param(
            "settings",
            STRUCT,
            "nics: list of {name, mac, switch, port, [role]}; management; [id, hostname, ip, hardware_type, "
            "location, metadata, image]",
        ),
    ),
    _write(
        "UpdateNode",
        pool.update_node,
        "Changes a node's settings, or takes it out of service. Answers 1.",
        _NAME,
        _CHANGES,
    ),
    _write("UnregisterNode", pool.unregister_node, "Forgets a node that no group has. Answers 1.", _NAME),
    _read(
        "GetNodes",
        pool.get_nodes,
        "array",
        'The nodes, in the order of their names; {"free": true}: those that can be given out now.',
        _FILTER,
    ),
    _write(
        "ConnectNic",
        pool.connect_nic,
        "Records to which port of which switch a NIC is connected. Answers 1.",
        _NODE,
        Param("nic", NAME),
        _SWITCH,
        _PORT,
    ),
    _write(
        "RegisterVlan",
        pool.register_vlan,
        "Adds a VLAN to those that groups may have. Answers 1.",
        _VLAN_ID,
        Param("settings", STRUCT, "shared", optional=True),
    ),
    _write("UpdateVlan", pool.update_vlan, "Changes a VLAN. Answers 1.", _VLAN_ID, _CHANGES),
    _write(
        "UnregisterVlan",
        pool.unregister_vlan,
        "Takes away a VLAN that no group has. Answers 1.",
        _VLAN_ID,
    ),
    _read(
        "GetVlans",
        pool.get_vlans,
        "array",
        "The VLANs, in the order of their ids.",
        _FILTER,
    ),
    _write(
        "RegisterHeadNode",
        pool.register_head_node,
        "Records a VM that can control a group. Answers 1.",
        _NAME,
        Param(
            "settings", STRUCT, "host, and domain (an existing one) or image, [address, management_network]"
        ),
    ),
    _write(
        "UpdateHeadNode",
        pool.update_head_node,
        "Changes a head node, or takes it out of service. Answers 1.",
        _NAME,
        _CHANGES,
    ),
    _write(
        "UnregisterHeadNode",
        pool.unregister_head_node,
        "Forgets a head node that no group has. Answers 1.",
        _NAME,
    ),
    _read(
        "GetHeadNodes",
        pool.get_head_nodes,
        "array",
        "The head nodes, in the order of their names.",
        _FILTER,
    ),
    _write(
        "ClearHeadNode",
        pool.clear_head_node,
        "Declares a head node that was used clean again. Answers 1.",
        _NAME,
    ),
    _write(
        "InspectSwitch",
        pool.inspect_switch,
        "Reads a switch. Answers a job's id; its result: model, ports, VLANs, differences.",
        _NAME,
    ),
    _read(
        "GetSwitchState",
        pool.get_switch_state,
        "struct",
        "What was last read of a switch: vlans, ports, read_at.",
        _NAME,
    ),
    _write(
        "ResetPorts",
        pool.reset_ports,
        "Isolates ports, so that their nodes can be given out. Answers a job's id.",
        _SWITCH,
        _PORTS,
    ),
    _write(
        "AdoptPorts",
        pool.adopt_ports,
        "Takes ports over as they are. Answers a job's id.",
        _SWITCH,
        _PORTS,
    ),
    *IMAGES,
    *RECOVERY,
)

_GROUPS = (
    _write(
        "CreateGroup",
        groups.create_group,
        "Makes a group; staged until Deploy. Answers 1.",
        _NAME,
        Param(
            "settings",
            STRUCT,
            "all optional: vlan (chosen when absent), headnode, nodes, image, images, owner, expires, "
            "delegations, keys, alias, networks",
        ),
    ),
    _write(
        "AddNodes",
        groups.add_nodes,
        "Adds nodes, all or none; staged until Deploy. Answers 1.",
        _GROUP,
        _NODES,
        Param("image", NAME_OR_NIL, "what just these boot", optional=True),
    ),
    _write(
        "RemoveNodes",
        lending.remove_nodes,
        "Removes nodes, all or none; staged until Deploy. Borrowed ones go home at once. Answers 1.",
        _GROUP,
        _NODES,
    ),
    _write(
        "LendNodes",
        lending.lend_nodes,
        "Lends nodes to another group, at once; they come back by themselves. Answers a job's id; it is over "
        "when the other group has them.",
        _GROUP,
        Param("to", GROUP, "the group that gets them"),
        _NODES,
        Param("until", TIME, "when they come back; 0: now"),
        since=7,
    ),
    _write(
        "SetVlan",
        groups.set_vlan,
        "Chooses the VLAN of the network main; staged until Deploy. Answers 1.",
        _GROUP,
        _VLAN_ID,
    ),
    _write(
        "SetNetworks",
        groups.set_networks,
        "Chooses the networks; staged until Deploy. Answers 1.",
        _GROUP,
        Param("networks", STRUCT, "a network's name to {vlan, nics, tagged}; the first is main"),
    ),
    _write(
        "SetHeadNode",
        groups.set_head_node,
        "Chooses the head node, nil for none; staged until Deploy. Answers 1.",
        _GROUP,
        Param("name", NAME_OR_NIL),
    ),
    _write(
        "SetImage",
        groups.set_image,
        "Chooses the image that the group's nodes boot, or just these; staged until Deploy. Answers 1.",
        _GROUP,
        Param("image", NAME_OR_NIL, "nil: as without it"),
        Param("nodes", NAMES, "just these nodes of the group", optional=True),
        since=6,
    ),
    _read(
        "PlanDeploy",
        groups.plan_deploy,
        "struct",
        "What Deploy would do: hash; changes; steps of {stage, hand, target, action, text} in order. What "
        "the last audit saw to differ is made anew. Changes nothing.",
        _GROUP,
    ),
    _write(
        "Deploy",
        groups.deploy,
        "Makes real what is staged. Answers a job's id.",
        _GROUP,
        Param(
            "options",
            STRUCT,
            "if_plan: a hash of PlanDeploy; a conflict when the world has moved",
            optional=True,
        ),
    ),
    _write(
        "DestroyGroup",
        groups.destroy_group,
        "Ends a group at once; it is gone when all its nodes are isolated again. Answers a job's id.",
        _NAME,
        Param("force", FLAG, "also a component of a description, which ends with it", optional=True),
    ),
    _write(
        "SetDelegations",
        groups.set_delegations,
        "Says who else may act for the group; at once. Answers 1.",
        _GROUP,
        Param("delegations", LIST, "names of accounts, or structs {name, method}"),
    ),
    _write(
        "SetKeys",
        groups.set_keys,
        "Sets the SSH keys of the group's people; at once. Answers 1.",
        _GROUP,
        Param("keys", KEYS),
    ),
    _write(
        "RenewGroup",
        groups.renew_group,
        "Moves the end of the lease; at once; for non-administrators within the longest lease. Answers 1.",
        _GROUP,
        Param("expires", TIME),
    ),
    _read(
        "GetGroups",
        groups.get_groups,
        "array",
        "The groups, in the order of their names.",
        _FILTER,
    ),
    _read(
        "GetStatus",
        drift.get_status,
        "struct",
        "The group's struct, wanted, target, deployed, and per node and port what was last read.",
        _GROUP,
    ),
    _write(
        "StartAudit",
        drift.start_audit,
        "Compares what is deployed with what is there. Answers a job's id.",
        _GROUP,
    ),
    _read(
        "GetAudit",
        drift.get_audit,
        "struct",
        "The last audit: at, and differences of {hand, target, wanted, seen}.",
        _GROUP,
    ),
    _write(
        "AuditAll",
        drift.audit_all,
        "Compares everything with what is there, reading each device once. Answers a job's id.",
        since=3,
    ),
    _read(
        "GetDrift",
        drift.get_drift,
        "struct",
        "All known differences: at (the last look at everything), groups (name: differences), pool.",
        since=3,
    ),
    _write(
        "Repair",
        drift.repair,
        "Makes the world what the group's target says. Answers a job's id.",
        _GROUP,
    ),
    _write(
        "RepairAll",
        drift.repair_all,
        "Makes everything as the database says. Answers a job's id; it is over when its groups' repairs are.",
        since=3,
    ),
    _write(
        "RepairSwitch",
        drift.repair_switch,
        "Makes a switch as the database says, also one that was wiped or replaced. Answers a job's id.",
        _SWITCH,
        since=3,
    ),
    _write(
        "RepairPort",
        drift.repair_port,
        "Makes one port as the database says. Answers a job's id.",
        _SWITCH,
        _PORT,
        since=3,
    ),
    _write(
        "PowerNode",
        groups.power_node,
        "Switches a node on or off. Answers a job's id; its result: the state.",
        _NODE,
        Param("action", TEXT, "on, off, cycle, status, pxe or disk"),
    ),
    _write(
        "ConfirmExpiry",
        leases.confirm_expiry,
        "Lets groups end whose end was held back because too many were due at once. Answers 1.",
        Param("names", NAMES, "groups; [] for all that are held back"),
    ),
    _read(
        "GetHolds",
        sliverops.get_holds,
        "array",
        "What is held back: {group or nil, sliver or nil, what (ends, removals, expiries), expires or nil, "
        "reason, since}.",
    ),
)

_DOOR = (
    _door(
        "GetJob",
        "struct",
        "A job: id, subject, state (queued, running, done, failed, superseded), done, total, step, "
        "parts (subject to {done, total, error or nil, at or nil}: what each device has of it), result or "
        "nil, error or nil, started, finished. Kept for 7 days.",
        _JOB,
    ),
    _door(
        "WaitJob",
        "struct",
        "The same as GetJob, as soon as the job is over or the time has passed.",
        _JOB,
        Param("seconds", SECONDS, "60 at most are waited"),
    ),
    _door(
        "DryRun",
        "struct",
        "What a call would do; nothing is done. Refused where the call would be. Answers {answer: the "
        "call's, nil when that is a job; changes: list of {action (add, change, remove), kind, name, keys, "
        "for readers values: key to [before, after]}; jobs: list of {kind, subject}; plan, "
        "steps: PlanDeploy's changes and steps, of a repair what is known to differ; remarks}.",
        Param("method", NAME, "one that changes something"),
        Param("arguments", LIST, "its arguments"),
        since=3,
    ),
    _door(
        "GetJobs",
        "array",
        "The jobs that the caller may see, as GetJob tells them, in the order of their ids; the newest 1000.",
        _FILTER,
        since=3,
    ),
    _door(
        "GetEvents",
        "array",
        "What happened: list of {id, time, who, subject, what, detail} with ids greater than `after`.",
        Param("after", COUNT, "the id of the last event already seen, 0 for none"),
        Param("limit", COUNT, "how many at most; 1000 are the most in one answer"),
    ),
    _door(
        "Backup",
        "int",
        "Writes a copy of the database while the daemon runs. Answers 1.",
        Param("path", PATH, "a new file, written by the daemon"),
    ),
    _door(
        "WhoAmI",
        "struct",
        "Who the daemon takes you for: name, uid, rights, groups (that you may act for), daemon; limits and "
        "describe: what the rights reserve and describe say, where they say something.",
    ),
    _door(
        "GetVersion",
        "struct",
        "nm: the program's version; api: grows by one with every addition; database: the format's number; "
        "read_only: whether changes are refused, for the daemon's disk takes none.",
    ),
    _door("Help", "string", "One text: every method with its documentation."),
    _door("system.listMethods", "array", "The names of all methods."),
    _door("system.methodHelp", "string", "The documentation of a method.", Param("name", TEXT)),
    _door(
        "system.methodSignature",
        "array",
        "For each number of arguments: the types of the answer and of the arguments.",
        Param("name", TEXT),
    ),
)

SECTIONS = {
    "The pool": _POOL,
    "Groups": _GROUPS,
    "Slivers": SLIVERS,
    "The source of slices, and tickets": PLC,
    "Reservations": FEDERATION,
    "Descriptions": DESCRIPTIONS,
    "Accounts": ACCOUNTS,
    "Whole sites": SITES,
    "Jobs, events and introspection": _DOOR,
}
METHODS: dict[str, Method] = {method.name: method for section in SECTIONS.values() for method in section}
API_VERSION = max(method.since for method in METHODS.values())


def help_text() -> str:
    """Every method with its documentation, in the order of their names."""
    return "\n\n".join(METHODS[name].help() for name in sorted(METHODS)) + "\n"
