"""Dialects of the package networking-generic-switch, as `ngs:TYPE`: for switches that nm has no words for.

Taken from it are the commands: how a VLAN is made, and how a port is put on one. All else is nm's own, so
that what nm promises does not hang on them: the log-in, the conversation, how a port is closed before and
after, saving, reading back (FAMILIES). What it has no commands for, as tagged VLANs on ports, is refused.

The package is optional, and is read, not run: its classes are data in its source. Importing it would take 8 s
and 76 MB, load 1,300 modules of OpenStack, and change a method of paramiko's for all of nm.
"""

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from nm.errors import Invalid
from nm.switches.dialect import Dialect, Lines
from nm.switches.dialects import arista, aruba, cisco, cumulus, dell, huawei, juniper, others, sonic
from nm.switches.dialects.membership import Membership

PREFIX = "ngs:"
POINTS = "generic_switch.devices"
PACKAGE = "networking-generic-switch"
VERSIONS = f"{PACKAGE}>=10.2,<11"

FAMILIES: Mapping[str, type[Dialect]] = {
    "netmiko_arista_eos": arista.AristaEos,
    "netmiko_aruba_aoscx": aruba.ArubaCx,
    "netmiko_brocade_fastiron": others.BrocadeFastIron,
    "netmiko_cisco_ios": cisco.CiscoIos,
    "netmiko_cisco_nxos": cisco.CiscoNxos,
    "netmiko_cisco_s300": others.CiscoSmallBusiness,
    "netmiko_cumulus": others.CumulusNclu,
    "netmiko_cumulus_nvue": cumulus.CumulusNvue,
    "netmiko_dell_enterprise_sonic": sonic.Sonic,
    "netmiko_dell_force10": dell.DellOs9,
    "netmiko_dell_os10": dell.DellOs10,
    "netmiko_dell_powerconnect": dell.DellPowerConnect,
    "netmiko_hp_comware": huawei.HpeComware,
    "netmiko_hpe_comware": huawei.HpeComware,
    "netmiko_huawei": huawei.HuaweiVrp,
    "netmiko_huawei_vrpv8": huawei.HuaweiVrp8,
    "netmiko_juniper": juniper.Junos,
    "netmiko_mellanox_mlnxos": others.MellanoxMlnxOs,
    "netmiko_pluribus": others.Pluribus,
    "netmiko_ruijie": others.Ruijie,
    "netmiko_sonic": sonic.Sonic,
    "netmiko_supermicro_smis": others.SupermicroSmis,
}
# What its commands make of a port that is to carry tagged VLANs cannot be told apart from an open one.
UNTAGGED_ONLY = {"netmiko_dell_powerconnect", "netmiko_juniper"}
# What takes the untagged VLAN off a trunk, where its commands leave it on.
BARE: Mapping[str, Lines] = {
    "netmiko_cumulus_nvue": (f"nv set {cumulus.BRIDGE} untagged none",),
    "netmiko_dell_os10": ("no switchport access vlan",),
}
OTHERS = {
    "netconf_openconfig": "is no command line, and nm speaks no NETCONF",
    "restconf_openconfig": "is no command line, and nm speaks no RESTCONF",
    "netmiko_fake": "is no switch; driver=simulated is nm's own",
    "netmiko_nokia_srl": "makes VXLAN tunnels, and no VLANs",
    "netmiko_ovs_linux": "is Open vSwitch; nm's own driver=ovs drives it better",
}

Templates = Mapping[str, tuple[str, ...]]


def names() -> list[str]:
    """The dialects that can be had here: none when the package is not installed."""
    return sorted(PREFIX + point.name for point in _points() if point.name in FAMILIES)


@functools.cache
def find(name: str) -> type[Dialect]:
    """The dialect `ngs:TYPE`; Invalid says why there is none."""
    kind = name.removeprefix(PREFIX)
    points = {point.name: point for point in _points()}
    if not points:
        raise Invalid(
            f"dialect {name} needs the package {PACKAGE}, which is not installed",
            f'install it into the Python that nmd runs in: pip install "{VERSIONS}"',
        )
    if kind in OTHERS:
        raise Invalid(f"dialect {name} {OTHERS[kind]}", f"use one of: {', '.join(names())}")
    if kind not in points or kind not in FAMILIES:
        raise Invalid(f"no dialect {name!r}", f"use one of: {', '.join(names())}")
    return _made(name, kind, FAMILIES[kind], _templates(points[kind]))


def _points() -> list[EntryPoint]:
    return list(entry_points(group=POINTS))


# ---- reading its source


def _templates(point: EntryPoint) -> Templates:
    """The tuples of texts among a class's members, patterns as texts; its bases' in the same file too."""
    found = point.dist.locate_file(f"{point.module.replace('.', '/')}.py") if point.dist else ""
    try:
        tree = ast.parse(Path(str(found)).read_text(encoding="utf-8"))
    except (OSError, SyntaxError) as error:
        raise Invalid(
            f"the installed {PACKAGE} cannot be read: {error}", f'install it anew: pip install "{VERSIONS}"'
        ) from error
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if point.attr not in classes:
        raise Invalid(
            f"the installed {PACKAGE} has no class {point.attr} in {found}",
            f'nm knows it as it is since 10.2: pip install "{VERSIONS}"',
        )
    return dict(_members(classes, point.attr))


def _members(classes: Mapping[str, ast.ClassDef], name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for base in classes[name].bases:
        if isinstance(base, ast.Name) and base.id in classes:
            yield from _members(classes, base.id)
    for node in classes[name].body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            texts = tuple(map(_text, node.value.elts))
            for target in node.targets:
                if isinstance(target, ast.Name) and None not in texts:
                    yield target.id, tuple(text for text in texts if text is not None)


def _text(node: ast.expr) -> str | None:
    """Of a text, or of re.compile(TEXT)."""
    if isinstance(node, ast.Call) and node.args:
        return _text(node.args[0])
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else None


# ---- making a dialect of it


def _made(name: str, kind: str, family: type[Dialect], templates: Templates) -> type[Dialect]:
    """The family with that package's commands."""
    prefix = "sudo " if issubclass(family, sonic.Sonic) else ""

    def lines(member: str, vlan: str = "{vlan}") -> Lines:
        words = {"port": "{ports}", "segmentation_id": vlan}
        words |= {"network_name": "{name}", "network_id": "{name}"}
        said = [prefix + line.format(**words) for line in templates.get(member, ())]
        while said and said[-1] in ("exit", "commit"):  # how it is left, and becomes true, is nm's own
            said.pop()
        return tuple(said)

    members: dict[str, Any] = {
        "name": name,
        "title": f"{family.title} (by {PACKAGE})",
        "telnet": "",
        "rejections": (*family.rejections, *templates.get("ERROR_MSG_PATTERNS", ())),
        "make_vlan": _whole(family, lines("ADD_NETWORK")),
        "remove_vlan": _whole(family, lines("DELETE_NETWORK")),
        "make_vlans": (),
        "remove_vlans": (),
    }
    at_vlans = issubclass(family, Membership)
    members |= _at_vlans(family, lines) if at_vlans else _at_ports(kind, family, lines)
    return type(family.__name__, (family,), members)


def _enters(family: type[Dialect], lines: Lines) -> bool:
    """Whether the first of the lines goes to a place of its own."""
    return bool(family.done and lines) and re.match(r"(interface|vlan) ", str(lines[0])) is not None


def _whole(family: type[Dialect], lines: Lines) -> Lines:
    """The lines, and how one comes back from where they lead."""
    return (*lines, *(family.done if _enters(family, lines) else getattr(family, "settle", ())))


def _at_vlans(family: type[Dialect], lines: Any) -> dict[str, Any]:
    """Where VLANs name their ports."""
    untag, no_untag, tag, no_tag = map(
        lines, ("PLUG_PORT_TO_NETWORK", "DELETE_PORT", "ADD_NETWORK_TO_TRUNK", "REMOVE_NETWORK_FROM_TRUNK")
    )
    at = 1 if _enters(family, untag) else 0
    members = {"into": untag[:at], "untag": untag[at:], "no_untag": no_untag[at:]}
    return members | ({"tag": tag[at:], "no_tag": no_tag[at:]} if tag else {"tagged": (), "both": ()})


def _at_ports(kind: str, family: type[Dialect], lines: Any) -> dict[str, Any]:
    """Where ports name their VLANs. Each port is clean before it is told what it carries."""
    plug, native = lines("PLUG_PORT_TO_NETWORK"), lines("SET_NATIVE_VLAN")
    add = lines("ADD_NETWORK_TO_TRUNK", "{each}") if kind not in UNTAGGED_ONLY else ()
    remove = lines("REMOVE_NETWORK_FROM_TRUNK", "{each}")
    at = 1 if _enters(family, plug) else 0
    same_place = tuple(line.replace("{ports}", "{port}") for line in plug[:at]) == family.port
    return {
        "port": plug[:at],
        "several": family.several if same_place else (),
        "access": (*family.clean, *plug[at:]),
        "tagged": (*family.clean, *add[at:], *BARE.get(kind, ())) if add else (),
        "both": (*family.clean, *native[at:], *add[at:]) if add and native else (),
        "empty": (),
        "add": add[at:],
        "remove": remove[at:] if add else (),
        "no_native": BARE.get(kind, ()),
        # whatever the family's own is: its words are not these
        "recipe": classmethod(Dialect.recipe.__func__),  # type: ignore[attr-defined]
    }
