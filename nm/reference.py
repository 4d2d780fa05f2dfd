"""The reference of the API in Markdown: `python -m nm.reference`, which `make docs` writes to docs/api.md.

Made of the table of methods, the rights, the errors and the filters, so that it says what the code does. What
a key of a struct means is said here, beside its name; a test holds the names against what the daemon answers.
For the build only: no other room imports it.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nm import errors, views
from nm.arguments import MAX_LIST, Method
from nm.methods import API_VERSION, METHODS, SECTIONS
from nm.shell.failures import STATUS_OF_FAULT

Lines = Iterator[str]
_WORDS = {str: "string", int: "int", bool: "boolean", float: "double"}

INTRODUCTION = """\
# The API of nm (version {version})

XML-RPC over HTTP: on the Unix socket `/run/nm/api.sock`, on `http://localhost:812`, and through SSH
([access.md](access.md)). Every language that speaks XML-RPC can call it; no name or password is sent, the
kernel tells nm who calls.

    from xmlrpc.client import Fault
    from nm.client import connect

    with connect("/run/nm/api.sock") as nm:
        free = [node["name"] for node in nm.GetNodes({{"free": True}})]
        nm.CreateGroup("alpha", {{"nodes": free[:2], "expires": 1893456000}})
        plan = nm.PlanDeploy("alpha")
        job = nm.WaitJob(nm.Deploy("alpha", {{"if_plan": plan["hash"]}}), 60)
        print(job["state"], job["error"])
        try:
            nm.AddNodes("alpha", ["n99"])
        except Fault as fault:
            print(fault.faultCode, fault.faultString)
        nm.WaitJob(nm.DestroyGroup("alpha"), 60)

`nm/client.py` needs the standard library only; take it along. On the machine itself
`xmlrpc.client.ServerProxy("http://localhost:812", allow_none=True)` does the same. From a shell:
`nmctl call GetNodes '{{"free": true}}'`.

- **Types** are XML-RPC's: int (32 bits), boolean, double, string, array, struct, and `nil`. A time is in
  seconds since 1970 UTC: an int, or a double where it has fractions or lies past 2038-01-19. A name is 1 to
  64 of `A-Z a-z 0-9 _ . -` and begins with a letter or digit. A list holds at most {longest} entries.
- **JSON.** A call with the header `Accept: application/json` is answered in JSON, by a struct with `result`,
  or with `fault` and in that `faultCode` and `faultString`. A long answer is read in a thirtieth of the time,
  and an int is an int whatever its size. `nm/client.py` asks for it; through SSH answers are XML.
- **All or nothing.** A method that is refused changes nothing. What it answers is on disk.
- **Jobs.** What needs a device answers a job's id at once. `WaitJob(id, seconds)` waits for it; a job that
  is not over then is not an error: look at `state`. Of several Deploys of one group the newest counts; the
  older jobs end as `superseded`.
- **Filters** of `Get...` are structs: every key must match, a list of values means one of them, `{{}}` is
  all. Keys that can be filtered by have a ✓ below.
- **New versions** add methods, and keys to structs; `GetVersion().api` tells. What is there keeps its
  meaning.
"""

FAULTS = """
## Faults

A refusal is an XML-RPC fault. `faultString` says what is wrong, then `; ` and what to do. The last column is
nmctl's exit status.

| code | name | when | nmctl |
|---|---|---|---|"""

RIGHTS = """
## Rights

A method names who may call it. An administrator may call everything.

| right | who has it |
|---|---|
| admin | root, and the members of the Unix group `nm-admin` |
| reader | an account with the right `spy`; it sees everything and changes nothing |
| reserve | an account with that right; it makes groups of its own, within limits of groups, nodes and lease |
| describe | an account with that right; it deploys descriptions, within limits (docs/access.md) |
| owner | the account that owns the group, and one to whom just this method is delegated |
| member | the owner, whom the group (or this method) is delegated to, and the group's own account |
| member of a sliver | the sliver's own account, and those whom it (or just this method) is delegated to |
| anyone | every account that can reach the API |
"""

STRUCTS_HEAD = """
## Structs

Who may not see a thing whole gets only what is marked with an asterisk.
"""


SETTINGS_HEAD = """
## Settings

What is registered, and a group that is made, is described in a struct. What has an asterisk must be there.
`Update...` takes the same keys; those that are not named stay.
"""


@dataclass(frozen=True)
class Struct:
    """What a method answers. A line of `keys` is `name: type; meaning`, without type where FIELDS has it."""

    title: str
    methods: str
    kind: str  # of views.FIELDS; "": it cannot be filtered
    keys: str


STRUCTS = (
    Struct(
        "A node", "GetNodes", "node", """
        name*: what it is called
        available*: false: taken out of service by an administrator
        free*: can be given out now
        state: unverified (see ResetPorts), free, promised, joining, joined, leaving, failed, dirty, out
        group: whose it is, or nil
        id: a number of its own, or nil
        hostname: as registered
        ip: as registered
        hardware_type: as registered
        location: as registered
        image: as registered
        reason: why it is not available
        metadata: struct; as registered
        nics: list of {name, mac, switch, port, role}; role: boot, data or none; switch and port may be nil
        management: struct or nil; how its power is switched, without secrets
        error: string or nil; why it is failed""",
    ),
    Struct(
        "A group", "GetGroups", "group", """
        name: what it is called
        alias: another name, or nil
        vlan: the VLAN of its network main
        networks: struct; a network's name to {vlan, nics, tagged}
        headnode: as wanted, or nil
        nodes: list of names; as wanted
        image: string or nil; what its nodes boot, as wanted
        images: struct; a node's name to what just that one boots
        owner: struct; {name, uid}
        account: string or nil; the Unix account of its people
        slice: string or nil; the slice whose source says what it has
        description: string or nil; the description whose component it is
        expires: when it ends, or nil
        delegations: list of {name, uid, method}; method is nil for all
        state: staged, deploying, deployed, failed, destroying
        pending: what is wanted is not what is deployed
        revision: grows by one with every Deploy
        job: its newest job, or nil
        error: string or nil; what keeps it from being deployed, in the device's words
        lent: list of {node, group, until}: nodes that another group has, or gets, until then
        borrowed: list of {node, group, until}: nodes that are another group's
        drift: how many differences the last audit found""",
    ),
    Struct(
        "A job", "GetJob, WaitJob, GetJobs", "job", """
        id: what the method answered
        subject: whose job it is, as `group:alpha`
        kind: deploy, destroy, repair, audit, reset, inspect, power and so on
        group: the group it is of, or nil
        state: queued, running, done, failed, superseded
        done: int; steps that are done
        total: int; of so many
        step: string; what goes on, or what is tried again and why
        parts: struct; subject (`switch:sw0`, "" for no device) to {done, total, error or nil, at or nil}
        hooks: list of structs; {node, moment, seconds, error or nil, output} of the site's programs
        result: anything; what the job found, or nil
        error: struct or nil; {code, text}: as a fault
        created: int; a time
        started: int or nil; a time
        finished: int or nil; a time""",
    ),
    Struct(
        "A switch", "GetSwitches", "switch", """
        name*: what it is called
        available*: false: taken out of service
        free*: the same as available
        driver: its kind; the driver's own settings are further keys (docs/drivers.md)
        model: what it says it is, or nil
        reason: why it is not available
        read_at: double or nil; when it was last read
        error: string or nil; why it could not be read
        host_key: string or nil; the key it showed itself by or was registered with
        unsaved: string or nil; why what was applied would be forgotten at a power cut
        failures: int; how many sessions in a row came to nothing
        retry_at: double or nil; until when it is left alone after these
        """,
    ),
    Struct(
        "A port", "GetPorts", "port", """
        switch*: the switch's name
        port*: as the switch calls it
        available*: its switch is in service
        free*: nothing is connected to it
        node: whose NIC is connected, or nil
        nic: the NIC's name, or nil
        trunk: the trunk it is an end of, or nil
        verified: it was reset or adopted
        seen: struct or nil; what it carried when last read: {untagged, tagged, open (every other VLAN)}
        read_at: double or nil; when it was last read
        description: string; as registered""",
    ),
    Struct(
        "A trunk", "GetTrunks", "trunk", """
        name*: what it is called
        available*: true
        free*: true; a trunk serves all groups
        native: its native VLAN, which carries nothing of nm's
        ends: list of two of {switch, port} or {host, device}""",
    ),
    Struct(
        "A host", "GetHosts", "host", """
        name*: what it is called
        available*: false: taken out of service
        free*: the same as available
        uri: libvirt's
        reason: why it is not available
        network: struct; {kind: linux or ovs, device}
        host_key: string or nil; of another machine: the key it showed itself by or was registered with
        pool: libvirt's storage pool for head nodes made from images, or nil for nm's own
        emulate: boolean; such head nodes are emulated, though the host says that it has KVM
        left: list of {pool, path, kind, error, since}; what descriptions ended by force may have there""",
    ),
    Struct(
        "A VLAN", "GetVlans", "vlan", """
        id*: 2 to 4094
        shared*: several groups may have it
        available*: false: taken out of service
        free*: a group can have it now
        group: whose it is, or nil
        reason: why it is not available
        groups: list; who uses a shared one (readers)""",
    ),
    Struct(
        "A head node", "GetHeadNodes", "headnode", """
        name*: what it is called
        available*: false: taken out of service
        free*: can be given out now
        state: free, joining, joined, leaving, dirty, out
        group: whose it is, or nil
        host: the host it runs on
        domain: libvirt's name for it, or nil
        image: as registered, or nil
        running: whether it ran when last seen, or nil
        reason: why it is not available
        management: list; the MACs of its NICs that nm leaves alone
        address: of one made from an image: its own, with the prefix, or nil for the site's
        management_network: struct; {bridge}, {ovs} or {network} of the NIC that leads to nm, or nil""",
    ),
    Struct(
        "An image", "GetImages", "image", """
        name*: what it is called
        kind*: disk (head nodes and slivers are made from it), root (containers are), netboot (nodes boot it)
        disk: the file or LVM volume on the hosts
        format: qcow2 or raw
        memory: int; MiB of what is made from it
        cpus: int; of what is made from it
        share: disk, virtiofs or 9p; how the machine list gets into the head node
        root: of root: the folder with the tree, on nmd's machine, or nil
        profile: of netboot: the PXE profile that the head node has of its own, or nil
        kernel: a path, or nil
        initrd: a path, or nil
        cmdline: the kernel's words, or nil""",
    ),
    Struct(
        "A sliver", "GetSlivers", "sliver", """
        name: its slice's
        type: sliver.QEMU, sliver.LXC or controller
        instantiation: plc-instantiated, delegated, nm-controller or not-instantiated
        account: the Unix account that leads into it, or nil
        uid: that account's, or nil
        enabled: false: its source lets it not run
        expires: when it ends, or nil
        deleted_at: int or nil; of one that is to go: when its disk is deleted
        state: absent, stopped or running, as last read back
        why: string or nil; why it does not run, or is not there
        error: string or nil; what could not be made, until it is mended
        note: string or nil; what else is to be known
        image: what it was made from, or nil
        index: its number on this machine, or nil: its NIC is called nms and that
        job: the newest job of it, or nil
        problems: list of what its source says and cannot be
        unenforced: struct; a resource to why nothing holds the sliver to it""",
    ),
    Struct(
        "A description", "GetDescriptions", "pool", """
        name: what it is called where it is deployed
        owner: {name, uid}
        state: absent, deploying, running, updating, terminating, ended (by itself) or failed
        revision: grows with every text and every attribute that is set
        target: the revision that is to be there, or nil while it is taken down
        deployed: the revision that was reached last, or nil
        job: the job that is at it, or nil
        error: string or nil; why it failed, or why the last update was given up
        components: int; how many it has
        domains: int; how many of them are domains
        memory: int; MiB that these can have together: maxMemory of each, else twice its memory
        disk: int; MiB of their disks, as far as their sizes are said
        set: list of [component, attribute]; what was set or removed since the text
        end: struct; while it is taken down, and afterwards: as a component has it; else {}
        may_set: boolean; whether the caller may set attributes
        consoles: list of {path, root, title, editable}; what it names as a console of the component `root`
        created: a time
        changed: a time""",
    ),
    Struct(
        "A component", "GetComponents", "", """
        path: string; the names that lead to it with : between them; sfConfig for the whole
        parent: string or nil; what it is inside of
        kind: string; as docs/components.md lists them
        host: string; where it is made, "" for the daemon's machine
        state: string; absent, created, initialized, running or ended
        doing: string or nil; what was ordered for it and is under way
        going: string or nil; it is taken down: normal or abnormal
        attributes: struct; a struct {reference} is followed at run time; what may be secret is not shown
        effects: struct; attribute to when a change counts: now, restart, refused, replace or termination
        begun: struct; the values with which it was started of what was changed since
        needs: struct; attribute to the component it leads to, or nil
        notes: struct; what there is of words (why it goes), trouble, hindered, unreachable, abandoned, drift
        end: struct; why it goes or went: {type (normal, abnormal), description, id (the first), cause}""",
    ),
    Struct(
        "A description in a console", "GetComponentTree", "", """
        description: struct; as GetDescriptions has it
        path: string; what was asked for
        root: string; the component from which it is shown
        title: string; what a console is called, else the path
        editable: boolean; false where a console is for looking only
        rows: list of components, with waiting, inside, below, without attributes, effects, begun, needs, end
        matching: int; of how many that match `find` these rows are the first
        chosen: nil, or a component with waiting, locked and known""",
    ),
    Struct(
        "A delegate, or an account with rights", "GetDelegates", "account", """
        name: what nm calls it
        account: the Unix account
        uid: its number
        type: delegate, group or unix (an account of the machine, not nm's)
        state: how far it is made, ready when it is
        job: the job that makes or removes it, or nil
        rights: struct; spy, reserve, describe, each with its limits
        keys: list of public keys
        error: string or nil; what keeps it from being ready""",
    ),
    Struct(
        "A plan", "PlanDeploy", "", """
        hash: string; for Deploy's if_plan
        changes: list of {action (add, change, remove), what, target, before, after, drift, lines}
        steps: list of {stage, hand, target, action, text}, in the order in which they are done""",
    ),
    Struct(
        "A status", "GetStatus", "", """
        wanted: struct; networks, nodes, headnode as staged; image, images where there are some
        target: struct or nil; the same as last deployed, or being deployed
        deployed: struct; a fact's name (`port/sw0/p1`) to what is there
        node_states: struct; a node's name to its state
        ports: list of {node, nic, switch, port, seen, read_at}""",
    ),
    Struct(
        "An audit", "GetAudit", "", """
        at: int or nil; when
        differences: list of {hand, target, wanted, seen}""",
    ),
    Struct(
        "All drift", "GetDrift", "", """
        at: int; the last look at everything, 0 for none
        groups: struct; a group's name to its differences
        pool: list of differences of what no group has""",
    ),
    Struct(
        "The state of a switch", "GetSwitchState", "", """
        vlans: list of ints
        ports: struct; a port's name to {untagged, tagged, open, read_at}
        read_at: double or nil; when it was last read""",
    ),
    Struct(
        "An event", "GetEvents", "", """
        id: int; grows, and never comes twice
        time: int; when
        who: string; the account, or nm itself
        subject: string; as `group alpha`
        what: string; what happened
        detail: string; more""",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """What a method takes in a struct. A line of `keys` is `name: type; meaning`, * where it is needed."""

    what: str
    method: str
    keys: str


SETTINGS = (
    Settings(
        "a switch", "RegisterSwitch", """
        driver*: string; its kind: ovs, none, simulated; its own keys too (docs/drivers.md)
        address: string; where it is managed
        bridge: string; of Open vSwitch
        timeout: int or double; seconds that an answer may take
        secrets: struct; what the driver asks for to the name of a file in the folder of secrets
        available: boolean; false takes it out of service
        reason: string; why""",
    ),
    Settings("a port", "RegisterPort", """
        description: string; what is at the other end"""),
    Settings(
        "a trunk", "RegisterTrunk", """
        ends*: list of two of {switch, port} or {host, device}
        native: int; its native VLAN, 1 when left out""",
    ),
    Settings(
        "a host", "RegisterHost", """
        uri*: string; libvirt's, as qemu:///system
        network*: struct; {kind: linux or ovs, device}
        host_key: string; over SSH: the key that it must show to nm, as `TYPE BASE64`
        secrets: struct; with which nm logs in there: names of secrets by what they are for: key, password
        pool: string; libvirt's storage pool for head nodes made from images; nm's own when left out
        emulate: boolean; such head nodes are emulated, though the host says that it has KVM
        available: boolean; false takes it out of service
        reason: string; why""",
    ),
    Settings(
        "a node", "RegisterNode", """
        nics*: list of {name, mac, switch, port, role}; the last three may be left out; role: boot, data, none
        management: struct; {driver, address, the driver's own keys}
        id: int; a number of its own
        hostname: string
        ip: string; for the group's list of machines
        hardware_type: string
        location: string
        metadata: struct
        image: string
        available: boolean; false takes it out of service
        reason: string; why""",
    ),
    Settings(
        "a VLAN", "RegisterVlan", """
        shared: boolean; several groups may have it
        available: boolean; false takes it out of service
        reason: string; why""",
    ),
    Settings(
        "a head node", "RegisterHeadNode", """
        host*: string; the host's name
        domain: string; libvirt's name for it
        image: string; an image of kind disk: then nm makes the domain, nm-NAME, when a group is deployed
        management: list of MACs of its NICs that nm leaves alone
        address: string; of one made from an image: its own on the group's network, as 192.168.10.1/24
        management_network: struct; {bridge}, {ovs: bridge} or {network: libvirt's}: of a NIC that leads to nm
        available: boolean; false takes it out of service
        reason: string; why""",
    ),
    Settings(
        "an image", "RegisterImage", """
        kind*: string; disk: head nodes and slivers are made from it; root: containers; netboot: nodes boot it
        disk: string; path of a qcow2 or raw file, or of an LVM volume, on the hosts (kind disk)
        root: string; path of the folder with the tree that containers share, on nmd's machine (kind root)
        format: string; of the disk: qcow2, when left out, or raw
        memory: int; MiB that a head node or sliver gets, 1024 when left out; of kind root 256
        cpus: int; that it gets, 1 when left out
        share: string; how it gets the machine list: disk, when left out, virtiofs or 9p
        profile: string; a PXE profile that the head node has of its own (kind netboot)
        kernel: string; path: started directly (disk), or given to the nodes (netboot)
        initrd: string; path, beside a kernel
        cmdline: string; the kernel's words, beside a kernel""",
    ),
    Settings(
        "a group", "CreateGroup", """
        nodes: list of names
        vlan: int; of its network main, chosen when left out
        headnode: string; a head node's name
        image: string; what its nodes boot, unless another one is asked for a node
        images: struct; a node's name to what just that one boots
        expires: int or double; a time, never when left out
        owner: string; an account; the caller when left out
        alias: string; another name, such as a URN
        delegations: list of names of accounts, or of {name, method}
        keys: list of public keys of its people
        networks: struct; a name (one is main) to {vlan, nics: names, roles or NODE:NIC of NICs, tagged}""",
    ),
)  # fmt: skip


def reference() -> Lines:
    """The lines of the whole page."""
    yield INTRODUCTION.format(version=API_VERSION, longest=MAX_LIST)
    yield "Methods: " + ", ".join(f"[{name}](#{anchor(name)})" for name in METHODS if "." not in name) + "."
    yield FAULTS
    yield from _faults()
    yield RIGHTS
    yield from _who_may()
    yield STRUCTS_HEAD
    for struct in STRUCTS:
        yield from _struct(struct)
    yield SETTINGS_HEAD
    for settings in SETTINGS:
        yield from _settings(settings)
    for title, section in SECTIONS.items():
        yield f"\n## {title}\n"
        for method in section:
            yield from _method(method)


def anchor(method: str) -> str:
    """What a link to the method names."""
    return method.lower().replace(".", "")


def _faults() -> Lines:
    family = sorted(errors.NMError.__subclasses__(), key=lambda error: error.code)
    inner = [(errors.NMError.code, "Internal", "A defect of nm; the log has more.")]
    known = [(error.code, error.__name__, (error.__doc__ or "").splitlines()[0]) for error in family]
    for code, name, doc in sorted([*known, *inner]):
        yield f"| {code} | {name} | {doc} | {STATUS_OF_FAULT[code]} |"


def _who_may() -> Lines:
    yield "| methods | right |"
    yield "|---|---|"
    rights: dict[str, list[str]] = {}
    for method in METHODS.values():
        rights.setdefault(method.right, []).append(method.name)
    for right, names in rights.items():
        yield f"| {', '.join(names)} | {right} |"


def _struct(struct: Struct) -> Lines:
    fields = views.FIELDS.get(struct.kind, {})
    yield f"### {struct.title} ({struct.methods})\n"
    yield "| key | type | filter | |"
    yield "|---|---|---|---|"
    for name, seen, text in keys_of(struct):
        kind, meaning = _typed(name, text, fields)
        yield f"| `{name}`{seen} | {kind} | {'✓' if name in fields else ''} | {meaning} |"
    yield ""


def _settings(settings: Settings) -> Lines:
    yield f"### Settings of {settings.what} ([{settings.method}](#{anchor(settings.method)}))\n"
    for name, needed, text in keys_of(settings):
        yield f"- `{name}`{needed}: {text}"
    yield ""


def keys_of(struct: Struct | Settings) -> Iterable[tuple[str, str, str]]:
    """The keys of a struct: name, the asterisk where there is one, and the rest of the line."""
    for line in struct.keys.strip().splitlines():
        name, _, text = line.strip().partition(": ")
        yield name.removesuffix("*"), "\\*" if name.endswith("*") else "", text


def _typed(name: str, text: str, fields: dict[str, type]) -> tuple[str, str]:
    """Type and meaning of a key."""
    if name in fields:
        word = _WORDS[fields[name]]
        return (
            (f"{word} or nil", text.removesuffix(", or nil")) if text.endswith(", or nil") else (word, text)
        )
    kind, _, meaning = text.partition("; ")
    return kind, meaning


def _method(method: Method) -> Lines:
    yield f"### {method.name}\n"
    yield f"`{method.usage}` → {method.result}  \n{method.doc}  \nRight: {method.right}."
    if method.since > 1:
        yield f"Since version {method.since}."
    if method.parameters:
        yield ""
    for parameter in method.parameters:
        doc = f"; {parameter.doc}" if parameter.doc else ""
        optional = ", may be left out" if parameter.optional else ""
        yield f"- `{parameter.name}`: {parameter.kind.expected}{optional}{doc}"
    yield ""


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in reference())
