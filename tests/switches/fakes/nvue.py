"""Cumulus Linux 5 with NVUE: `nv`, in a bash.

Its habits: `nv set` and `nv unset` write into a pending configuration, which is the user's and not the
session's, so that what one session left is applied by the next unless it is detached; `nv config apply` makes
it true and does not save it unless auto-save is on (the option auto_save). Ports that no configuration names
are down. A port in the bridge is a trunk of all VLANs of the bridge, with VLAN 1 untagged, until it has a
list of its own, or `access`; the two together are refused. `nv config show` writes ports that are alike as
one key, `swp1-4,7`. `nv show interface` shows what is in force, and nothing of the bridge.

Options: auto_save; files_changed (the next apply asks before it overwrites files); apply_fails (a service
does not start: with -y, NVUE says so and calls it applied nevertheless).

Words that are this fake's own, for want of a source: those of values out of range, of access beside vlan,
of ports that are not there, and of an apply without changes.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from nm.switch import PortState
from tests.switches.fakes.cli import Ask, Refused, Steps
from tests.switches.fakes.grammar import command
from tests.switches.fakes.shell import Failed, Shell
from tests.switches.fakes.state import Carried, Config, Port, Vlan, format_ids, parse_ids

Tree = dict[str, Any]
BRIDGE = "br_default"
ERASE = "\x1b[1000D\x1b[J"  # each word of progress writes over the one before


class CumulusNvue(Shell):
    """A switch of ports swp1 on, or as told."""

    dialect = "cumulus_nvue"
    programs = ("nv",)
    banner = "Linux cumulus 6.1.0-cl-1-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.90-1+cl5.9 (2024-05-06) x86_64"
    place = "mgmt:~"
    more = ":"

    @classmethod
    def port_names(cls, count: int) -> list[str]:
        return [f"swp{number}" for number in range(1, count + 1)]

    @classmethod
    def new_port(cls, name: str) -> Port:
        return Port(name, extra={"set": {}}, shut=True)

    @classmethod
    def new_config(cls, hostname: str, ports: Sequence[str]) -> Config:
        config = super().new_config(hostname, ports)
        config.extra = {"revision": 1, "untagged": 1}
        return config

    @classmethod
    def booted(cls, running: Config, startup: Config) -> Config:
        config = startup.copy()
        config.extra.pop("pending", None)
        return config

    @classmethod
    def carried(cls, config: Config, port: Port) -> Carried:
        bridge = in_bridge(port)
        if bridge is None:
            return Carried(shut=port.shut)
        if "access" in bridge:
            return Carried(bridge["access"], (), port.shut, "access")
        untagged = bridge.get("untagged", config.extra["untagged"])
        untagged = None if untagged == "none" else untagged
        own = bridge.get("vlan")
        if own in (None, "all"):
            return Carried(untagged, (), port.shut, "trunk", open=True)
        return Carried(untagged, tuple(sorted(own - {untagged})), port.shut, "trunk")

    @classmethod
    def put(cls, port: Port, state: PortState) -> None:
        port.shut = state.isolated
        tree: Tree = {"link": "down" if state.isolated else "up"}
        if state.open:
            tree["bridge"] = {"untagged": state.untagged or "none"}
        elif state.tagged:
            tree["bridge"] = {"untagged": state.untagged or "none", "vlan": frozenset(state.tagged)}
        elif state.untagged:
            tree["bridge"] = {"access": state.untagged}
        port.extra["set"] = tree

    def configures(self, line: str) -> bool:
        return bool(re.match(r"(sudo )?nv (set|unset|config (apply|detach))", line))

    def misread(self, line: str, reason: str, at: int) -> str:
        words = line.split()
        if reason == "incomplete":
            return f"Error: Incomplete command: {line}"
        return f"Error: Invalid Command: {' '.join(words[: at + 1])}"

    # pending

    @property
    def pending(self) -> list[tuple[str, str]]:
        """What was set and unset and not yet applied: verbs and paths."""
        found: list[tuple[str, str]] = self.running.extra.get("pending", [])
        return found

    def change(self, verb: str, path: str) -> str | None:
        """Take up a line, when it can be understood."""
        edit(self.running.copy(), verb, path)
        first = not self.pending
        self.running.extra.setdefault("pending", []).append((verb, path))
        if first:
            self.running.extra["revision"] += 1
        return f"created [rev_id: {self.running.extra['revision']}]" if first else None

    @command("shell", "nv set <rest>")
    def nv_set(self, path: str) -> str | None:
        return self.change("set", path)

    @command("shell", "nv unset <rest>")
    def nv_unset(self, path: str) -> str | None:
        return self.change("unset", path)

    @command("shell", "nv config detach")
    def detach(self) -> None:
        self.running.extra.pop("pending", None)

    @command("shell", "nv config diff", "nv config diff <rest>")
    def diff(self, options: str = "") -> str:
        trees: Tree = {}
        for verb, path in self.pending:
            into = trees.setdefault(verb, {})
            for name in path.split():
                into = into.setdefault(name, {})
        return "\n".join(line for verb, tree in trees.items() for line in yaml([{verb: tree}]))

    @command("shell", "nv config apply", "nv config apply <rest>")
    def apply(self, options: str = "") -> Steps:
        words = options.split()
        yes = bool({"-y", "--assume-yes"} & {*words})
        revision = self.running.extra["revision"]
        if not self.pending:
            return "Warning: apply skipped due to no config diff"
        config = self.running.copy()
        for verb, path in config.extra.pop("pending"):
            edit(config, verb, path)
        if problems := list(problems_of(config)):
            raise Refused(
                "\n".join([f"Invalid config [rev_id: {revision}]", *(f"  {each}" for each in problems)])
            )
        yield from self.ask_to_overwrite(yes)
        progress = ERASE.join(["verifying", "readying", "reloading", ""])
        if self.switch.options.get("apply_fails"):
            return f"{progress}{(yield from self.fail_to_apply(yes, revision))}"
        self.switch.running = config
        if not self.switch.options.get("auto_save"):
            return f"{progress}applied [rev_id: {revision}]"
        yield from self.save()
        return f"{progress}applied_and_saved [rev_id: {revision}]"

    def ask_to_overwrite(self, yes: bool) -> Steps:
        if self.switch.options.get("files_changed") and not yes:
            answer = yield Ask(
                "Warning: The following files have been changed since the last save, and they WILL be "
                "overwritten.\n\t- /etc/network/interfaces\nAre you sure? [y/N] "
            )
            if answer.lower() not in ("y", "yes"):
                raise Refused("Declined apply after warnings.")
        self.switch.options.pop("files_changed", None)
        return None

    def fail_to_apply(self, yes: bool, revision: int) -> Steps:
        said = (
            "Unable to restart services (ifreload-nvue.service):\n"
            "  Job for ifreload-nvue.service failed because the control process exited with error code.\n"
            "During restart of ifreload-nvue.service:\n"
            "  Failed to start ifreload-nvue.service - ifreload wrapper service (for NVUE compatibility).\n"
        )
        if yes:
            self.detach()
            return f"{said}\napplied [rev_id: {revision}]"
        yield Ask(f"{said}\nFailure during apply. Ignore? [y/N] ")
        start = f"rev_{revision}_apply_1/start"
        raise Refused(
            f"apply_fail [rev_id: {revision}]\n  Rolling back to {start}\napplied [rev_id: {start}]"
        )

    @command("shell", "nv config save")
    def nv_save(self) -> Steps:
        yield from self.save()
        return f"saved [rev_id: {self.running.extra['revision']}]"

    def save_error(self) -> str:
        return "Error: Failed to save: [Errno 28] No space left on device: '/etc/nvue.d/startup.yaml'"

    # showing

    @command("shell", "nv config show", "nv config show <rest>")
    def config_show(self, options: str = "") -> str:
        startup = bool(re.search(r"(-r|--rev(ision)?)[ =]startup", options))
        config = self.booted(self.running, self.switch.startup) if startup else self.running
        tree = tree_of(config)
        if re.search(r"(-o|--output)[ =]commands", options):
            return "\n".join(f"nv set {path}" for path in paths_of(tree))
        shown = [{"header": HEADER}, {"set": tree}]
        if re.search(r"(-o|--output)[ =]json", options):
            return json.dumps(shown, indent=2)
        return "\n".join(yaml(shown))

    @command("shell", "nv show interface", "nv show interface <rest>")
    def show_interface(self, options: str = "") -> str:
        words = [
            word for word in options.split() if not word.startswith("-") and word not in ("json", "applied")
        ]
        applied = bool(re.search(r"(-r|--rev(ision)?)[ =]applied", options))
        ports = [self.running.ports[name] for name in words if name in self.running.ports]
        if words and not ports:
            raise Failed("Error: The requested item does not exist.", 1)
        shown = {port.name: operational(port) for port in ports or self.running.ports.values()}
        if applied:
            shown = {name: tree for name, tree in shown.items() if self.running.ports[name].extra["set"]}
            for name, tree in shown.items():
                tree.update(port_tree(self.running.ports[name]))
        if re.search(r"(-o|--output)[ =]json", options):
            return json.dumps(shown[words[0]] if words else shown, indent=2)
        lines = [
            "Interface  Admin Status  Oper Status  Speed  MTU   Type",
            "---------  ------------  -----------  -----  ----  ----",
        ]
        lines += [
            f"{name:<9}  {tree['link']['admin-status']:<12}  {'down':<11}  {'':<5}  9216  {tree['type']}"
            for name, tree in shown.items()
        ]
        return "\n".join(lines)

    @command("shell", f"nv show bridge domain {BRIDGE} vlan", f"nv show bridge domain {BRIDGE} vlan <rest>")
    def show_vlans(self, options: str = "") -> str:
        if "json" in options:
            return json.dumps({str(vlan): {} for vlan in sorted(self.running.vlans)}, indent=2)
        return "\n".join(
            ["vlan  multicast.snooping", "----  ------------------", *map(str, sorted(self.running.vlans))]
        )

    @command("shell", "nv show bridge port-vlan", "nv show bridge port-vlan <rest>")
    def show_port_vlan(self, options: str = "") -> str:
        ports: Tree = {}
        for port in self.running.ports.values():
            carried = self.carried(self.running, port)
            if in_bridge(port) is None or port.shut:
                continue
            tagged = set(self.running.vlans) - {carried.untagged} if carried.open else set(carried.tagged)
            states = dict.fromkeys(tagged, "tagged") | (
                {carried.untagged: "untagged"} if carried.untagged else {}
            )
            ports[port.name] = {"vlan": {str(vlan): {"tag-state": states[vlan]} for vlan in sorted(states)}}
        if "json" in options:
            return json.dumps({"domain": {BRIDGE: {"port": ports}}}, indent=2)
        lines = ["domain      port   vlan  tag-state", "----------  -----  ----  ---------"]
        lines += [
            f"{BRIDGE}  {name:<5}  {vlan:>4}  {state['tag-state']:>9}"
            for name, tree in ports.items()
            for vlan, state in tree["vlan"].items()
        ]
        return "\n".join(lines)

    @command("shell", "nv show system", "nv show system <rest>")
    def show_system(self, options: str = "") -> str:
        system = {
            "hostname": self.running.hostname,
            "product-name": "Cumulus Linux",
            "product-release": "5.9.1",
        }
        if "json" in options:
            return json.dumps(
                {**system, "build": "Cumulus Linux 5.9.1", "uptime": "17 days, 3:12:05"}, indent=2
            )
        lines = ["                 operational    applied", "---------------  -------------  -------"]
        return "\n".join([*lines, *(f"{name:<15}  {value}" for name, value in system.items())])

    @command("shell", "nv show platform", "nv show platform <rest>")
    def show_platform(self, options: str = "") -> str:
        platform = {"system-mac": "44:38:39:22:01:b1", "manufacturer": "Mellanox", "product-name": "MSN2410"}
        if "json" in options:
            return json.dumps(platform, indent=2)
        return "\n".join(
            ["              operational", *(f"{name:<12}  {value}" for name, value in platform.items())]
        )


HEADER = {"model": "MSN2410", "nvue-api-version": "nvue_v1", "rev-id": 1.0, "version": "Cumulus Linux 5.9.1"}


def in_bridge(port: Port) -> Tree | None:
    """What is set of the port in the bridge; None when it is not in it."""
    found: Tree | None = port.extra["set"].get("bridge")
    return found


def operational(port: Port) -> Tree:
    state = "down" if port.shut else "up"
    link = {"admin-status": state, "mtu": 9216, "oper-status": "down", "state": {state: {}}}
    return {"ifindex": 3, "link": link, "type": "swp"}


# What is set


def edit(config: Config, verb: str, path: str) -> None:
    """`nv set` or `nv unset` of a path; Refused when there is no such."""
    words = path.split()
    match words:
        case ["interface", names, *rest]:
            for name in ports_of(config, names):
                edit_port(config, name, verb, rest, path)
        case ["bridge", "domain", str(domain), *rest] if domain == BRIDGE:
            edit_bridge(config, verb, rest, path)
        case ["system", "hostname", name] if verb == "set":
            config.hostname = name
        case _:
            raise invalid(verb, path)


def invalid(verb: str, path: str) -> Refused:
    return Refused(f"Error: Invalid Command: {verb} {path}")


def ports_of(config: Config, text: str) -> Iterator[str]:
    """The ports of `swp1-4,7`; those that are not there are noted, for the apply to refuse."""
    found = re.fullmatch(r"([a-z]+)(\d+(?:-\d+)?(?:,(?:\1)?\d+(?:-\d+)?)*)", text)
    if found is None:
        raise Refused(f"Error: '{text}' is not a valid interface name")
    for number in sorted(parse_ids(found[2].replace(found[1], ""))):
        name = f"{found[1]}{number}"
        if name in config.ports:
            yield name
        else:
            config.extra.setdefault("missing", []).append(name)


def ids(path: str, text: str) -> frozenset[int]:
    try:
        return parse_ids(text)
    except ValueError:
        where = path.replace(" ", ".")
        raise Refused(
            f"Error: at {where}: '{text}' is not a VLAN ID, or list of them, from 1 to 4094"
        ) from None


def edit_port(config: Config, name: str, verb: str, words: list[str], path: str) -> None:
    port = config.ports[name]
    tree: Tree = port.extra["set"]
    match verb, words:
        case "set", [] | ["type", "swp"] | ["link"]:
            tree.setdefault("link", "up")
        case "unset", []:
            tree.clear()
        case "set", ["link", "state", ("up" | "down") as state]:
            tree["link"] = state
        case "unset", ["link", *_]:
            tree["link"] = "up"
        case "set", ["description", *text]:
            tree["description"] = " ".join(text)
        case "unset", ["description", *_]:
            tree.pop("description", None)
        case "unset", ["bridge"] | ["bridge", "domain"] | ["bridge", "domain", "br_default"]:
            tree.pop("bridge", None)
        case _, ["bridge", "domain", "br_default", *rest]:
            bridge: Tree = tree.setdefault("bridge", {}) if verb == "set" else tree.get("bridge", {})
            edit_membership(bridge, verb, rest, path)
        case _:
            raise invalid(verb, path)
    if verb == "set":
        tree.setdefault("link", "up")
    port.shut = tree.get("link", "down") == "down"
    port.description = tree.get("description", "")


def edit_membership(bridge: Tree, verb: str, words: list[str], path: str) -> None:
    match verb, words:
        case "set", []:
            pass
        case "set", ["access", vlan]:
            bridge["access"] = one(path, vlan)
        case "set", ["untagged", vlan]:
            bridge["untagged"] = "none" if vlan == "none" else one(path, vlan)
        case "set", ["vlan", "all"]:
            bridge["vlan"] = "all"
        case "set", ["vlan", vlans]:
            own = bridge.get("vlan", frozenset())
            bridge["vlan"] = ids(path, vlans) | (own if own != "all" else frozenset())
        case "unset", [("access" | "untagged" | "vlan") as what]:
            bridge.pop(what, None)
        case "unset", ["vlan", vlans]:
            own = bridge.get("vlan", frozenset())
            bridge["vlan"] = own - ids(path, vlans) if own != "all" else own
            if not bridge["vlan"]:
                del bridge["vlan"]
        case _:
            raise invalid(verb, path)


def one(path: str, text: str) -> int:
    found = ids(path, text)
    if len(found) != 1:
        raise invalid("set", path)
    return min(found)


def edit_bridge(config: Config, verb: str, words: list[str], path: str) -> None:
    match verb, words:
        case "set", [] | ["type", "vlan-aware"]:
            pass
        case "set", ["untagged", vlan]:
            config.extra["untagged"] = "none" if vlan == "none" else one(path, vlan)
        case "unset", ["untagged"]:
            config.extra["untagged"] = 1
        case "set", ["vlan", vlans]:
            for number in ids(path, vlans):
                config.vlans.setdefault(number, Vlan(str(number)))
        case "unset", ["vlan"]:
            config.vlans = {1: config.vlans[1]}
        case "unset", ["vlan", vlans]:
            for number in ids(path, vlans) - {1}:
                config.vlans.pop(number, None)
        case _:
            raise invalid(verb, path)


def problems_of(config: Config) -> Iterator[str]:
    """What an apply refuses."""
    for name in config.extra.get("missing", []):
        yield f"{name} does not exist on this platform"
    for port in config.ports.values():
        bridge = in_bridge(port) or {}
        if "access" in bridge and {"vlan", "untagged"} & {*bridge}:
            yield f"{port.name}: bridge domain {BRIDGE} access cannot be set together with vlan or untagged"


# How it is shown


def port_tree(port: Port) -> Tree:
    tree: Tree = {}
    bridge = in_bridge(port)
    if bridge is not None:
        shown: Tree = {key: bridge[key] for key in ("access", "untagged") if key in bridge}
        if "vlan" in bridge:
            own = bridge["vlan"]
            shown["vlan"] = {"all": {}} if own == "all" else {str(vlan): {} for vlan in sorted(own)}
        tree["bridge"] = {"domain": {BRIDGE: shown}}
    if port.description:
        tree["description"] = port.description
    tree["link"] = {"state": {port.extra["set"].get("link", "up"): {}}}
    return {**tree, "type": "swp"}


def tree_of(config: Config) -> Tree:
    """What is set, with ports that are alike under one key."""
    alike: dict[str, tuple[Tree, list[str]]] = {}
    for port in config.ports.values():
        if port.extra["set"]:
            tree = port_tree(port)
            alike.setdefault(json.dumps(tree), (tree, []))[1].append(port.name)
    vlans: Tree = {str(vlan): {} for vlan in sorted(config.vlans) if vlan != 1}
    bridge: Tree = {"untagged": config.extra["untagged"]} if config.extra["untagged"] != 1 else {}
    if vlans:
        bridge["vlan"] = vlans
    shown: Tree = {"bridge": {"domain": {BRIDGE: bridge}}} if bridge else {}
    if alike:
        shown["interface"] = {joined(names): tree for tree, names in alike.values()}
    return {**shown, "system": {"hostname": config.hostname}}


def joined(names: Iterable[str]) -> str:
    """`swp1-4,7`."""
    numbers = [int(name.removeprefix("swp")) for name in names]
    return "swp" + format_ids(numbers, 2)


def paths_of(tree: Tree, path: str = "") -> Iterator[str]:
    """Each leaf as the words that set it; what has several VLANs as one."""
    for name, node in tree.items():
        here = f"{path} {name}".strip()
        if name == "vlan" and node:
            yield f"{here} {format_ids(map(int, node), 2) if 'all' not in node else 'all'}"
        elif isinstance(node, dict) and node:
            yield from paths_of(node, here)
        else:
            yield here if isinstance(node, dict) else f"{here} {node}"


def yaml(node: Any, indent: str = "") -> list[str]:
    """As YAML."""
    if isinstance(node, list):
        lines = []
        for each in node:
            first, *rest = yaml(each, indent + "  ")
            lines += [f"{indent}- {first.strip()}", *rest]
        return lines
    lines = []
    for name, inner in node.items():
        key = f"'{name}'" if str(name).isdigit() else name
        if isinstance(inner, dict) and inner:
            lines += [f"{indent}{key}:", *yaml(inner, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {inner}")
    return lines
