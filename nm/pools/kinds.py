"""The kinds of components: what each is given, and what a change of that means while it runs.

The texts in nm/sflibrary say the same to the compiler (tests/pools/test_kinds.py holds the two together), and
docs/components.md says it to people. An attribute's text is the description of its schema, word by word.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

from nm.pools.attributes import Attribute, Rule, Value, growing, within

Inside = Literal["nothing", "parts", "actions"]

DOMAINS = ("Domain", "XenDomain")
FILE_DISK, LVM_DISK = DISKS = ("LoopbackStorageBackend", "LVMStorageBackend")
ON_HOSTS = (*DOMAINS, *DISKS, "Shell", "Script")  # something of them is on their host
OF_GROUPS = ("Group", "Node", "Vlan", "HeadNode")  # nm's own things, made on no host
MEMORY, VCPUS, CORE = 512, 1, "org/smartfrog/components.sf"
DEFAULTS = {"memory": MEMORY, "vcpus": VCPUS}
ACTIONS, ACTION = "actions", "action"
HOST = "sfProcessHost"
SMARTDOMAINS = "ch/cern/openlab/smartdomains/components.sf"
COMBINATORS = "org/smartfrog/sfcore/workflow/combinators/components.sf"
SHELLSCRIPT = "org/smartfrog/services/shellscript/components.sf"
MANAGEMENT = "org/smartfrog/services/management/components.sf"
OWN = "nm/components.sf"


@dataclass(frozen=True)
class Kind:
    """A kind of component.

    name: as descriptions.components.KINDS has it. written: the prototypes that make one; else its name.
    include: the file that has them. inside: whether components inside it are made with it ("parts"), or by it
    when it has started ("actions"). handlers: attributes whose components it makes when it comes to that.
    privileged: whether it acts on a host as no plain domain does, so that an administrator or a listed
    allowance is needed.
    """

    name: str
    text: str
    include: str
    attributes: tuple[Attribute, ...] = ()
    written: tuple[str, ...] = ()
    inside: Inside = "nothing"
    handlers: tuple[str, ...] = ()
    privileged: bool = False

    @cached_property
    def known(self) -> Mapping[str, Attribute]:
        """All its attributes by name, with those that every component has."""
        return {attribute.name: attribute for attribute in (*EVERY, *self.attributes)}

    @cached_property
    def musts(self) -> tuple[Attribute, ...]:
        """Those that have to be given."""
        return tuple(attribute for attribute in self.known.values() if attribute.must)

    @property
    def acts(self) -> bool:
        """Whether it makes the components in its `actions`."""
        return self.inside == "actions" or self.name == "FireBreak"


def worth(kind: Kind, attributes: Mapping[str, Value], name: str) -> Value:
    """What an attribute of a component is worth: as given, else its default."""
    value = attributes.get(name)
    if value is None and (known := kind.known.get(name)) is not None:
        return known.default
    return value


# ---- what every component has

EVERY = (
    Attribute("sfClass", "String", "what the component is", "replace", must=True),
    Attribute(HOST, "String", "the host on which it and all inside it are made", "replace"),
    Attribute("sfProcessName", "String", "SmartFrog's process for it; nothing comes of it here", "replace"),
    Attribute(
        "sfProcessComponentName",
        "String",
        "SmartFrog's name of it; nothing comes of it here, where the description's name counts",
        "replace",
    ),
    Attribute(
        "sfLivenessDelay",
        "Integer",
        "seconds between two looks whether it is alive; 0: never",
        "now",
        default=15,
    ),
    Attribute("sfLivenessFactor", "Integer", "how many looks may fail", "now", default=2),
    Attribute("sfShouldTerminate", "Boolean", "whether it ends when its work is done", "now", default=True),
    Attribute("sfUpdatable", "Boolean", "whether it may be changed while it runs", "now", default=True),
    Attribute(
        "whenUnreachable",
        "String",
        "what becomes of it when its host cannot be reached: keep or terminate",
        "now",
        default="keep",
    ),
)
COMMON: Mapping[str, Attribute] = {attribute.name: attribute for attribute in EVERY}

COMPOUND = (
    Attribute(
        "sfSyncTerminate",
        "Boolean",
        "whether one is down before the next is taken down",
        "termination",
        default=False,
    ),
    Attribute(
        "keepOnFailure", "Boolean", "whether the others stay when one cannot be made", "now", default=False
    ),
)

# ---- domains and their disks

SHELL = Attribute("shell", "Reference", "the shell for commands on the host", "now", lazy=True)


def most(attributes: Mapping[str, Value], name: str) -> int:
    """Up to how much `memory`, or how many `vcpus`, a domain can have while it runs.

    A guest can take that at any time: what it has less is only asked of it.
    """
    given, limit = attributes.get(name), attributes.get(limit_of(name))
    now = given if isinstance(given, int) else DEFAULTS[name]
    return max(now, limit if isinstance(limit, int) else 2 * now)


def limit_of(name: str) -> str:
    """The attribute that says up to how much that can be."""
    return f"max{name.capitalize()}"


def _growing(name: str) -> Rule:
    return within(partial(most, name=name), DEFAULTS[name])


DOMAIN = (
    SHELL,
    Attribute("storageBackend", "Reference", "the component that has its disk", "restart", lazy=True),
    Attribute("hostname", "String", "the guest's name", "replace", must=True),
    Attribute("ip", "String", "the guest's address", "replace"),
    Attribute("gateway", "String", "the guest's gateway", "replace"),
    Attribute("netmask", "String", "the guest's netmask", "replace"),
    Attribute("kernel", "String", "the kernel, a path on the host", "restart"),
    Attribute("ramdisk", "String", "the initial RAM disk, a path on the host", "restart"),
    Attribute("cmdline", "String", "the kernel's command line", "restart"),
    Attribute("domainName", "String", "the domain's name; else the hostname", "replace"),
    Attribute("memory", "Integer", "MiB", _growing("memory"), default=MEMORY, effects=("now", "restart")),
    Attribute(
        "maxMemory",
        "Integer",
        "MiB up to which memory changes while it runs",
        "restart",
        default="twice memory",
    ),
    Attribute("vcpus", "Integer", "processors", _growing("vcpus"), default=VCPUS, effects=("now", "restart")),
    Attribute(
        "maxVcpus",
        "Integer",
        "processors up to which vcpus changes while it runs",
        "restart",
        default="twice vcpus",
    ),
    Attribute("mac", "String", "the address of its interface", "now"),
    Attribute("bridge", "String", "the bridge that its interface is in", "now"),
    Attribute(
        "bridgeKind",
        "String",
        "how that bridge is made: linux or ovs; else ovs for the host's own of that kind, or with vlan",
        "now",
    ),
    Attribute("vlan", "Integer", "the VLAN of its interface on a bridge of Open vSwitch", "now"),
    Attribute(
        "network",
        "String",
        "the network that its interface is in, or LAZY a Group or Vlan",
        "now",
    ),
    Attribute(
        "diskBus", "String", "how its disk is attached: virtio, scsi, sata, ide", "restart", default="virtio"
    ),
    Attribute("diskTarget", "String", "the disk's device name in the guest", "restart", default="by its bus"),
    Attribute("uuid", "String", "the domain's UUID", "replace"),
    Attribute("machine", "String", "the kind of machine", "restart"),
    Attribute("cpu", "String", "the model of processor", "restart"),
    Attribute("graphics", "String", "its screen: none, vnc or spice", "restart", default="none"),
    Attribute(
        "onCrash",
        "String",
        "what becomes of a guest that crashes: destroy or restart",
        "restart",
        default="destroy",
    ),
    Attribute("autostart", "Boolean", "whether it starts with its host", "now", default=False),
    Attribute(
        "onReboot",
        "String",
        "what becomes of it when its host was booted: start or end",
        "now",
        default="start",
    ),
    Attribute(
        "shutdownTimeout",
        "Integer",
        "seconds, 600 at most, that the guest has to shut down before it is switched off",
        "termination",
        default=60,
    ),
    Attribute(
        "keepOnTerminate",
        "Boolean",
        "whether the domain stays as it is when the component ends, and nm lets go of it",
        "termination",
        default="true of one that was adopted",
    ),
    Attribute("userData", "String", "cloud-init's user-data", "replace", quiet=True),
    Attribute("metaData", "String", "cloud-init's meta-data", "replace", quiet=True),
)

STORAGE = (
    SHELL,
    Attribute("domainName", "String", "the domain's name", "now"),
    Attribute("baseImage", "String", "what the disk is made from", "replace", must=True),
    Attribute(
        "size",
        "Long",
        "bytes; else as large as the image",
        growing,
        default="the image's",
        effects=("now", "refused"),
    ),
    Attribute("swapSize", "Long", "bytes of a swap disk", "replace"),
    Attribute(
        "inPlace",
        "Boolean",
        "whether baseImage is the disk itself, and no copy made of it",
        "replace",
        default=False,
    ),
    Attribute(
        "keepOnTerminate",
        "Boolean",
        "whether the disk stays when the component ends",
        "termination",
        default="true of one in place",
    ),
)

LOOPBACK = (
    Attribute("imageDir", "String", "the folder for the disk's file", "replace"),
    Attribute("format", "String", "raw or qcow2", "replace", default="qcow2"),
    Attribute("backing", "Boolean", "whether the disk shares its base image", "replace", default=True),
)

LVM = (
    Attribute("volumeGroup", "String", "where the volume is made", "replace"),
    Attribute("snapshot", "Boolean", "whether it is a snapshot of its base image", "replace", default=False),
    Attribute("thinPool", "String", "the thin pool that it is made in", "replace"),
)

# ---- commands on hosts, the console

SCRIPT_SECONDS = 60
EXEC = Attribute("exec", "CD", "the program: cmd, dir and envProperties of it", "now")
SCRIPT = (
    Attribute("shell", "Reference", "the shell that runs the script", "now", must=True, lazy=True),
    Attribute("deployScript", "Any", "run when it is made: a string, or a list of lines", "replace"),
    Attribute("startScript", "Any", "run when it starts", "restart"),
    Attribute("terminateScript", "Any", "run when it ends", "termination"),
    Attribute("autoTerminate", "Boolean", "whether it ends when its script has run", "now", default=False),
    Attribute("timeout", "Integer", "seconds that each of them may take", "now", default=SCRIPT_SECONDS),
)

DISPLAY = (
    Attribute("nameDisplay", "String", "the title of the console", "now"),
    Attribute("positionDisplay", "String", "nothing to nm", "now"),
    Attribute("redirectStd", "Boolean", "nothing to nm", "now"),
    Attribute(
        "screenEditable", "Boolean", "whether attributes are changed in the console", "now", default=True
    ),
)

# ---- combinators: what is inside them is made when they have started


TIME = Attribute("time", "Integer", "milliseconds", "now", must=True)
PARALLEL = (
    Attribute("asynchCreateChild", "Boolean", "whether each child is made by itself", "now", default=False),
    Attribute(
        "terminateOnAbnormalChildTermination",
        "Boolean",
        "whether a child that fails ends all",
        "now",
        default=True,
    ),
    Attribute(
        "terminateOnAbnormalChildDeploy",
        "Boolean",
        "whether a child that cannot be made ends all",
        "now",
        default=True,
    ),
)
RETRY = Attribute("retry", "Integer", "how many times again", "now", must=True)
REPEAT = Attribute("repeat", "Integer", "how many times", "now", must=True)
KILL = Attribute("kill", "Reference", "what to end", "now", must=True, lazy=True)
DETACHING = tuple(
    Attribute(name, "Boolean", text, "now", default=False)
    for name, text in (
        ("detachUpwards", "whether its end ends nothing that is around it"),
        ("detachDownwards", "whether each of its parts ends alone"),
        ("autoDestruct", "whether it ends with the last of its parts, when each ends alone"),
    )
)


def _combinator(name: str, text: str, *attributes: Attribute, handlers: tuple[str, ...] = ()) -> Kind:
    own = (*COMPOUND, *attributes)
    return Kind(name, text, COMBINATORS, own, inside="actions", handlers=handlers)


# ---- nm's own

HOSTS = Attribute("hosts", "Vector", "hosts that have its network; those of domains on it are added", "now")
GROUP = (
    Attribute("groupName", "String", "the group's name; else the component's", "replace"),
    Attribute("vlan", "Integer", "the group's VLAN; else nm chooses a free one", "now"),
    Attribute("expires", "String", "when it ends, as +30d or 2027-01-31; else as long as may be", "now"),
    HOSTS,
)
NODE = (
    Attribute("node", "String", "the machine, by its name in the pool", "replace", must=True),
    Attribute("image", "String", "what it boots", "restart"),
)
VLAN = (
    Attribute("vlan", "Integer", "the VLAN, 2 to 4094; else nm chooses a free one", "now"),
    Attribute(
        "network", "String", "the network of the group that it is; else main", "replace", default="main"
    ),
    Attribute("nics", "Vector", "names or roles of its nodes' NICs that are on it", "now", default=["data"]),
    Attribute("tagged", "Boolean", "whether they are on it with a tag", "now", default=False),
    HOSTS,
)
HEADNODE = (Attribute("headNode", "String", "the head node, by its name in the pool", "replace", must=True),)

ALL = (
    Kind("Prim", "nothing by itself: a place for attributes", CORE),
    Kind(
        "Compound",
        "its parts, made in their order and taken down in the reverse order",
        CORE,
        COMPOUND,
        inside="parts",
    ),
    Kind("Domain", "a virtual machine of libvirt's", SMARTDOMAINS, DOMAIN, ("Domain", "XenDomain")),
    Kind("XenDomain", "the same, under the name that SmartDomains gave it", SMARTDOMAINS, DOMAIN),
    Kind("LoopbackStorageBackend", "a domain's disk, as a file", SMARTDOMAINS, (*STORAGE, *LOOPBACK)),
    Kind("LVMStorageBackend", "a domain's disk, as a logical volume", SMARTDOMAINS, (*STORAGE, *LVM)),
    Kind(
        "Shell", "a shell on a host, which scripts use", SHELLSCRIPT, (EXEC,), ("BashShell",), privileged=True
    ),
    Kind(
        "Script",
        "commands on a host, run when it is made, starts and ends",
        SHELLSCRIPT,
        SCRIPT,
        privileged=True,
    ),
    Kind("Display", "nothing: there to be described", MANAGEMENT, DISPLAY),
    Kind(
        "DeployManagement",
        "the console of the part that `root` leads to",
        MANAGEMENT,
        (*DISPLAY, Attribute("root", "Reference", "the part that is shown", "now")),
    ),
    _combinator("Sequence", "its actions one after the other; over with the last, or with one that fails"),
    _combinator("Parallel", "its actions all at once; over when all are", *PARALLEL),
    _combinator("Retry", "its action, again when that failed", RETRY),
    _combinator("Repeat", "its action, several times", REPEAT),
    _combinator(
        "Try", "its action, then `normal` or `abnormal`, as it ended", handlers=("normal", "abnormal")
    ),
    _combinator("Timeout", "its action, which has failed when it takes longer", TIME),
    _combinator("During", "its action, ended when the time is over", TIME),
    _combinator("Delay", "its action, after a time", TIME),
    _combinator(
        "Finally",
        "its action, made now and started when it ends; not when an update takes it away or makes it anew",
    ),
    Kind(
        "FireBreak",
        "its parts and actions, of which each may end without ending anything else",
        COMBINATORS,
        COMPOUND,
        inside="parts",
    ),
    _combinator("Terminator", "the end of another component", KILL),
    Kind(
        "DetachingCompound",
        "its parts, of which each may be on its own when they run",
        COMBINATORS,
        (*COMPOUND, *DETACHING),
        inside="parts",
    ),
    _combinator("Run", "its action, made where it is described"),
    _combinator("Deployer", "the same"),
    Kind(
        "Group",
        "a group of nm's: machines on a VLAN of their own",
        OWN,
        (*COMPOUND, *GROUP),
        inside="parts",
    ),
    Kind("Node", "a machine of the pool, in the group around", OWN, NODE),
    Kind("Vlan", "a VLAN of the group around", OWN, VLAN),
    Kind("HeadNode", "the head node of the group around", OWN, HEADNODE),
)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in ALL}
QUIET = frozenset(attribute.name for kind in ALL for attribute in kind.attributes if attribute.quiet)
SHOWN_NOT = "(not shown)"


def told(value: Value) -> Value:
    """A value as it may be told: what may be secret is left out, also where it is only passed on."""
    if isinstance(value, dict):
        return {name: SHOWN_NOT if name in QUIET else told(inner) for name, inner in value.items()}
    return [told(inner) for inner in value] if isinstance(value, list) else value
