"""Junos on EX and QFX switches (ELS).

Its habits: nothing that is typed has effect before `commit`, which makes it the running and the persistent
configuration at once; `commit confirmed` is undone by the switch itself unless another commit, or a check of
one, follows in time (`FakeSwitch.let_pass`), and by a reboot before that. A candidate is shared by all who
say `configure`, and stays when they leave; `configure private` and `exclusive` have one of their own. VLANs
go by name; a member may be a name, a number, a range or `all`. A factory-new port is an access port that
names no VLAN, which is VLAN 1, `default`. A port without family ethernet-switching is on no VLAN.

`wildcard range set` and `delete` say a statement once for each number in its brackets, [0-3,7].

Words that are this fake's own, for want of a source: those of two members on an access port, of a name that
is no VLAN, of two VLANs with one tag, and of private candidates in conflict.
"""

import copy
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nm.switch import PortState
from tests.switches.fakes.cli import Ask, Cli, Refused, Steps, Wait, split_pipes
from tests.switches.fakes.grammar import command
from tests.switches.fakes.junos_tree import (
    SWITCHING,
    Conflict,
    SyntaxProblem,
    Tree,
    as_junos_json,
    below,
    blocks,
    compared,
    insert,
    merge,
    problems_of,
    remove,
    resolve,
    set_lines,
    words_of,
)
from tests.switches.fakes.state import Carried, Config, Port, Vlan, parse_ids

if TYPE_CHECKING:
    from tests.switches.fakes.switch import FakeSwitch

FACTORY: Tree = {"unit": {"0": {"family": {"ethernet-switching": {"storm-control": "default"}}}}}
MASTER = "{master:0}"


@dataclass
class Candidate:
    """What a session edits. `base` is what it began with; `tree` is None where all share one."""

    kind: str  # shared, private, exclusive
    base: Tree
    tree: Tree | None


class JuniperJunos(Cli):
    """An EX4300: ports ge-0/0/x from 0 on, or as told."""

    dialect = "juniper_junos"
    device_type = "juniper_junos"
    banner = "--- JUNOS 21.4R3.15 Kernel 64-bit  JNPR-12.1-20220816.2f2bdd8_buil"
    too_many = "error: maximum number of sessions reached"
    more = "---(more)---"
    first_mode = enabled_mode = "oper"
    saves = False

    def __init__(self, switch: "FakeSwitch") -> None:
        super().__init__(switch)
        self.draft: Candidate | None = None
        self.filters: list[str] = []

    @classmethod
    def port_names(cls, count: int) -> list[str]:
        return [f"ge-0/0/{number}" for number in range(count)]

    @classmethod
    def new_port(cls, name: str) -> Port:
        return Port(name, extra={"config": copy.deepcopy(FACTORY)})

    @classmethod
    def booted(cls, running: Config, startup: Config) -> Config:
        """What was not committed is gone, and what was not confirmed is not in it."""
        config = startup.copy()
        config.extra.pop("shared", None)
        return config

    @classmethod
    def elapsed(cls, switch: "FakeSwitch", seconds: float) -> None:
        pending = switch.running.extra.get("pending")
        if pending is not None:
            pending["left"] -= seconds
            if pending["left"] <= 0:
                switch.running = pending["before"]

    @classmethod
    def carried(cls, config: Config, port: Port) -> Carried:
        family = below(port.extra["config"], SWITCHING)
        if family is None:
            return Carried(shut=port.shut)
        members = below(family, ("vlan", "members")) or []
        ids = frozenset(number for member in members for number in members_ids(config, member))
        if family.get("interface-mode") != "trunk":
            untagged = min(ids, default=None) if members else 1
            return Carried(untagged, (), port.shut, "access")
        native = int(port.extra["config"].get("native-vlan-id", 0))
        every = "all" in members
        untagged = native if native in ids or (every and native) else None
        return Carried(untagged, tuple(sorted(ids - {native})), port.shut, "trunk", open=every)

    @classmethod
    def put(cls, port: Port, state: PortState) -> None:
        port.shut = state.isolated
        config: Tree = {}
        named = sorted({*state.tagged} | ({state.untagged} if state.untagged else set()))
        if state.tagged or state.open:
            family: Tree = {"interface-mode": "trunk"}
            if state.untagged:
                config["native-vlan-id"] = str(state.untagged)
        else:
            family = {"interface-mode": "access"}
        if named or state.open:
            family["vlan"] = {"members": ["all"] if state.open else [str(number) for number in named]}
        if not state.isolated:
            config["unit"] = {"0": {"family": {"ethernet-switching": family}}}
        port.extra["config"] = config

    def prompt(self) -> str:
        pending = self.running.extra.get("pending")
        minutes = -(-int(pending["left"]) // 60) if pending else 0
        plural = "s" if minutes != 1 else ""
        note = f"# commit confirmed will be rolled back in {minutes} minute{plural}\r\n" if pending else ""
        if self.mode == "oper":
            return f"\r\n{note}{MASTER}\r\n{self.short_prompt()}"
        return f"\r\n{note}{MASTER}[{' '.join(['edit', *self.targets])}]\r\n{self.short_prompt()}"

    def short_prompt(self) -> str:
        sign = ">" if self.mode == "oper" else "#"
        return f"{self.switch.user}@{self.running.hostname}{sign} "

    def misread(self, line: str, reason: str, column: int) -> str:
        caret = " " * (len(self.short_prompt()) + column) + "^"
        if reason == "incomplete":
            return f"{caret}\nmissing argument."
        first = column <= len(line) - len(line.lstrip())
        return f"{caret}\n" + ("unknown command." if first else "syntax error.")

    def rejected(self, line: str) -> str:
        caret = " " * (len(self.short_prompt()) + len(line.split(maxsplit=1)[0]) + 1) + "^"
        return f"{caret}\nsyntax error."

    def save_error(self) -> str:
        return "error: could not open /config/juniper.conf+: No space left on device\nerror: commit failed"

    def log_message(self) -> str:
        return "\nMessage from syslogd@sw1 at Nov 30 04:04:21  ...\nsw1 fpc0 link 4 changed state to up"

    def run(self, line: str) -> Steps:
        self.filters = [each.strip() for each in split_pipes(line)[1]]
        return self.piped((yield from super().run(line)))

    def piped(self, answer: str | None) -> str | None:
        """What is left behind the pipes that take lines."""
        lines = (answer or "").split("\n")
        for each in self.filters:
            word, _, pattern = each.partition(" ")
            pattern = pattern.strip('"')
            if word in ("match", "except"):
                lines = [one for one in lines if bool(re.search(pattern, one)) == (word == "match")]
            elif word == "count":
                lines = [f"Count: {len(lines)} lines"]
        return "\n".join(lines) or None

    # operational

    @command("oper", "set cli screen-length <number>")
    def screen_length(self, lines: str) -> str:
        self.length = int(lines)
        return f"Screen length set to {lines}"

    @command("oper", "set cli screen-width <number>")
    def screen_width(self, columns: str) -> str:
        return f"Screen width set to {columns}"

    @command("oper", "set cli complete-on-space off")
    def no_completion(self) -> str:
        return "Disabling complete-on-space"

    @command("oper", "exit", "quit")
    def leave(self) -> None:
        self.closed = True

    @command("oper", "show version")
    def show_version(self) -> str:
        return (
            f"fpc0:\n{'-' * 74}\nHostname: {self.running.hostname}\nModel: ex4300-48t\nJunos: 21.4R3.15\n"
            "JUNOS OS Kernel 64-bit  [20220816.2f2bdd8_builder_stable_12]\nJUNOS Web Management [21.4R3.15]"
        )

    @command("oper", "show configuration", "show configuration <rest>")
    def show_configuration(self, path: str = "") -> str:
        return self.formatted(tree_of(self.running), path)

    @command("oper", "show vlans", "show vlans brief")
    def show_vlans(self) -> str:
        lines = ["", "Routing instance        VLAN name             Tag          Interfaces"]
        ports = {name: self.carried(self.running, port) for name, port in self.running.ports.items()}
        for number, vlan in sorted(self.running.vlans.items(), key=lambda pair: pair[1].name):
            lines.append(f"{'default-switch':<23} {vlan.name:<21} {number:<8} ")
            lines += [
                f"{'':<59}{name}.0"
                for name, carried in ports.items()
                if number in (carried.untagged, *carried.tagged) or carried.open
            ]
        return "\n".join(lines)

    @command("oper", "show interfaces terse")
    def show_terse(self) -> str:
        lines = ["Interface               Admin Link Proto    Local                 Remote"]
        for port in self.running.ports.values():
            admin = "down" if port.shut else "up"
            lines.append(f"{port.name:<23} {admin:<5} down")
            for unit, node in port.extra["config"].get("unit", {}).items():
                proto = "eth-switch" if below(node, SWITCHING[2:]) is not None else ""
                lines.append(f"{port.name + '.' + unit:<23} {admin:<5} down {proto}".rstrip())
        return "\n".join(lines)

    @command("oper", "show system commit")
    def show_commits(self) -> str:
        pending = self.running.extra.get("pending")
        if pending is None:
            return "0   2026-11-30 04:04:21 UTC by admin via cli"
        minutes = -(-int(pending["left"]) // 60)
        words = f"commit confirmed, rollback in {minutes}mins\n    rollback pending"
        return f"0   2026-11-30 04:04:21 UTC by admin via cli {words}"

    # into configuration, and out of it

    def others(self, *kinds: str) -> list["JuniperJunos"]:
        """The other sessions that edit a candidate of these kinds."""
        sessions = (terminal.cli for terminal in self.switch.open_sessions())
        return [
            cli
            for cli in sessions
            if isinstance(cli, JuniperJunos) and cli is not self and cli.draft and cli.draft.kind in kinds
        ]

    def users(self, *kinds: str) -> list[str]:
        names = [(each.switch.user, each.draft.kind) for each in self.others(*kinds) if each.draft]
        if (name := self.switch.options.get("locked_by")) and "exclusive" in kinds:
            names.append((name, "exclusive"))
        return [
            f"  {name} terminal pts/0 (pid 31745) on since 2026-11-30 04:04:21 UTC\n"
            f"      {'exclusive ' if kind == 'exclusive' else ''}[edit]"
            for name, kind in names
        ]

    def refuse_when_locked(self) -> None:
        if locked := self.users("exclusive"):
            raise Refused("\n".join(["error: configuration database locked by:", *locked]))

    @property
    def modified(self) -> bool:
        """Whether the candidate that all share has changes that nobody has committed."""
        shared = self.running.extra.get("shared")
        return shared is not None and shared != tree_of(self.running)

    @command("oper", "configure")
    def configure(self) -> str:
        lines = ["Entering configuration mode"]
        if users := self.users("shared", "exclusive"):
            lines += ["Users currently editing the configuration:", *users]
        if self.modified:
            lines.append("The configuration has been changed but not committed")
        self.begin("shared")
        return "\n".join(lines)

    @command("oper", "configure private")
    def configure_private(self) -> str:
        self.refuse_when_locked()
        if self.modified:
            raise Refused("error: shared configuration database modified")
        self.begin("private")
        return "warning: uncommitted changes will be discarded on exit\nEntering configuration mode"

    @command("oper", "configure exclusive")
    def configure_exclusive(self) -> str:
        self.refuse_when_locked()
        if self.modified:
            users = self.users("shared")
            head = ["Users currently editing the configuration:", *users] if users else []
            raise Refused("\n".join([*head, "error: configuration database modified"]))
        self.begin("exclusive")
        return "warning: uncommitted changes will be discarded on exit\nEntering configuration mode"

    def begin(self, kind: str) -> None:
        base = tree_of(self.running)
        self.draft = Candidate(kind, base, None if kind == "shared" else copy.deepcopy(base))
        self.enter("config")

    @property
    def candidate(self) -> Tree:
        assert self.draft is not None
        if self.draft.tree is not None:
            return self.draft.tree
        shared: Tree = self.running.extra.setdefault("shared", tree_of(self.running))
        return shared

    @command("config", "exit configuration-mode", "quit configuration-mode")
    def exit_configuration(self) -> Steps:
        assert self.draft is not None
        lines = []
        if self.candidate != tree_of(self.running):
            lines = ["The configuration has been changed but not committed"]
            keeps = self.draft.tree is None
            asked = "Exit with uncommitted changes?" if keeps else "Discard uncommitted changes?"
            answer = yield Ask(f"{lines[0]}\n{asked} [yes,no] (yes) ")
            if answer.strip() not in ("", "y", "ye", "yes"):
                return None
            lines = [] if keeps else ["warning: discarding uncommitted changes", "load complete"]
        self.draft = None
        self.enter("oper")
        return "\n".join([*lines, "Exiting configuration mode"])

    @command("config", "exit", "quit")
    def exit_level(self) -> Steps:
        if not self.targets:
            return (yield from self.exit_configuration())
        self.targets = []
        return None

    @command("config", "top")
    def top(self) -> None:
        self.targets = []

    @command("config", "up")
    def up(self) -> None:
        self.targets = self.targets[:-1]

    @command("config", "edit <rest>")
    def edit(self, text: str) -> None:
        path, leaf, _ = self.checked("edit", text, resolve)
        if leaf is not None:
            raise Refused(self.misread(f"edit {text}", "invalid", len("edit ")))
        self.targets = path

    @command("config", "run <rest>")
    def run_operational(self, line: str) -> Steps:
        self.mode = "oper"
        try:
            return (yield from super().run(line))
        finally:
            self.mode = "config"

    # statements

    def checked(self, verb: str, text: str, change: Any) -> Any:
        """What `change` makes of the statement below the level that is edited."""
        try:
            return change([*self.targets, *words_of(text)])
        except SyntaxProblem as problem:
            starts = [found.start() for found in re.finditer(r'"[^"]*"|\S+', text)]
            at = problem.at - len(self.targets)
            column = len(verb) + 1 + (starts[at] if at < len(starts) else len(text) + 1)
            raise Refused(f"{' ' * (len(self.short_prompt()) + column)}^\n{problem}") from None

    @command("config", "set <rest>")
    def set_statement(self, text: str) -> None:
        self.refuse_when_locked()
        self.checked("set", text, lambda words: insert(self.candidate, words))

    @command("config", "delete <rest>")
    def delete_statement(self, text: str) -> str | None:
        self.refuse_when_locked()
        found = self.checked("delete", text, lambda words: remove(self.candidate, words))
        return None if found else "warning: statement not found"

    @command("config", "wildcard range set <rest>")
    def set_each(self, text: str) -> None:
        for one in self.each_of("set", text):
            self.set_statement(one)

    @command("config", "wildcard range delete <rest>")
    def delete_each(self, text: str) -> str | None:
        said = [self.delete_statement(one) for one in self.each_of("delete", text)]
        return "\n".join(filter(None, said)) or None

    def each_of(self, verb: str, text: str) -> list[str]:
        """The statements that brackets such as [0-3,7] stand for; what came before an error stays."""
        before, *brackets = re.split(r"(\[[\d,-]+\])", text)
        if not brackets:
            column = len(self.short_prompt()) + len(f"wildcard range {verb} ")
            raise Refused(f"{' ' * column}^\nsyntax error.")
        found = [before]
        for bracket, behind in zip(brackets[::2], brackets[1::2], strict=True):
            numbers = sorted(parse_ids(bracket[1:-1], 0))
            found = [f"{head}{number}{behind}" for head in found for number in numbers]
        return found

    @command("config", "rollback", "rollback 0")
    def rollback(self) -> str:
        self.refuse_when_locked()
        now = tree_of(self.running)
        self.candidate.clear()
        self.candidate.update(now)
        assert self.draft is not None
        self.draft.base = tree_of(self.running)
        return "load complete"

    @command("config", "show", "show <rest>")
    def show(self, path: str = "") -> str:
        if "compare" in self.filters:
            return "\n".join(compared(tree_of(self.running), self.candidate))
        return self.formatted(self.candidate, " ".join([*self.targets, path]))

    def formatted(self, tree: Tree, text: str) -> str:
        try:
            path, _, _ = resolve(words_of(text))
        except SyntaxProblem:
            raise Refused(self.misread(f"show {text}", "invalid", len("show "))) from None
        found = below(tree, path)
        if found is None:
            return ""
        within: Any = found
        for name in reversed(path):
            within = {name: within}
        if "display set" in self.filters:
            return "\n".join(set_lines(within))
        if "display json" in self.filters:
            return as_junos_json(within)
        lines = blocks(found) if isinstance(found, dict) else blocks({path[-1]: found})
        head = ["## Last commit: 2026-11-30 04:04:21 UTC by admin", "version 21.4R3.15;"]
        return "\n".join([*head, *lines] if not path and self.mode == "oper" else lines)

    # commit

    @command("config", "commit", "commit comment <rest>")
    def commit(self, comment: str = "") -> Steps:
        yield from self.make_true(None)
        return "commit complete"

    @command("config", "commit and-quit", "commit comment <word> and-quit")
    def commit_and_quit(self, comment: str = "") -> Steps:
        yield from self.make_true(None)
        self.draft = None
        self.enter("oper")
        return "commit complete\nExiting configuration mode"

    @command(
        "config", "commit confirmed", "commit confirmed <number>", "commit confirmed <number> comment <rest>"
    )
    def commit_confirmed(self, minutes: str = "10", comment: str = "") -> Steps:
        if not 1 <= int(minutes) <= 65535:
            caret = " " * (len(self.short_prompt()) + len("commit confirmed ")) + "^"
            raise Refused(f"{caret}\nValue {minutes} is not within range (1..65535)")
        yield from self.make_true(60.0 * int(minutes))
        return (
            f"commit confirmed will be automatically rolled back in {minutes} minutes unless confirmed\n"
            "commit complete"
        )

    @command("config", "commit check")
    def commit_check(self) -> str:
        """A check within the time of a confirmed commit confirms it."""
        self.refuse_when_locked()
        self.check(self.merged(), "configuration check-out")
        if self.running.extra.pop("pending", None) is not None:
            self.switch.save()
        return "configuration check succeeds"

    def make_true(self, left: float | None) -> Steps:
        """Commit; with `left`, undone after so many seconds unless confirmed."""
        self.refuse_when_locked()
        tree = self.merged()
        self.check(tree, "commit")
        yield Wait(self.switch.save_seconds)
        if self.switch.faults.find("save"):
            raise Refused(self.save_error())
        pending = self.running.extra.pop("pending", None)
        before = pending["before"] if pending else self.booted(self.running, self.running)
        config = committed(tree, self.running)
        self.switch.running = config
        if left is None:
            self.switch.save()
        else:
            config.extra["pending"] = {"before": before, "left": left}
        assert self.draft is not None
        kind = self.draft.kind
        base = tree_of(config)
        self.draft = Candidate(kind, base, None if kind == "shared" else copy.deepcopy(base))
        return None

    def merged(self) -> Tree:
        """The candidate; a private one on top of what others have committed meanwhile."""
        assert self.draft is not None
        if self.draft.kind != "private":
            return copy.deepcopy(self.candidate)
        tree = tree_of(self.running)
        try:
            merge(self.draft.base, self.candidate, tree)
        except Conflict as conflict:
            *path, last = conflict.path
            raise Refused(
                f"[edit {' '.join(path)}]\n  '{last}'\n"
                "    private change conflicts with a change that was committed meanwhile\n"
                "error: commit failed: (private configuration conflicts)"
            ) from None
        return tree

    def check(self, tree: Tree, what: str) -> None:
        """Refuse a configuration that contradicts itself."""
        problems = [
            f"[edit {' '.join(path)}]\n  '{element}'\n    {message}"
            for path, element, message in problems_of(tree)
        ]
        if problems:
            failed = f"error: {what} failed: (statements constraint check failed)"
            raise Refused("\n".join([*problems, failed]))


def members_ids(config: Config, member: str) -> frozenset[int]:
    """The VLANs that a member of a port names."""
    if re.fullmatch(r"\d+(-\d+)?", member):
        try:
            return parse_ids(member)
        except ValueError:
            return frozenset()
    return frozenset(number for number, vlan in config.vlans.items() if vlan.name == member)


def tree_of(config: Config) -> Tree:
    """The configuration as statements."""
    interfaces = {
        port.name: {
            **({"description": port.description} if port.description else {}),
            **({"disable": True} if port.shut else {}),
            **port.extra["config"],
        }
        for port in config.ports.values()
    }
    kept = config.extra.get("vlans", {})
    vlans = {vlan.name: {**kept.get(vlan.name, {}), "vlan-id": str(n)} for n, vlan in config.vlans.items()}
    return copy.deepcopy(
        {
            "system": {"host-name": config.hostname, **config.extra.get("system", {})},
            "interfaces": {
                **{name: node for name, node in interfaces.items() if node},
                **config.extra.get("absent", {}),
            },
            "vlans": {**kept, **vlans},
        }
    )


def committed(tree: Tree, running: Config) -> Config:
    """The configuration that these statements make."""
    tree = copy.deepcopy(tree)
    config = running.copy()
    config.extra = {}
    system = tree.get("system", {})
    config.hostname = system.pop("host-name", "")
    config.extra["system"] = system
    interfaces = tree.get("interfaces", {})
    for port in config.ports.values():
        node = interfaces.pop(port.name, {})
        port.description = node.pop("description", "")
        port.shut = bool(node.pop("disable", False))
        port.extra["config"] = node
    config.extra["absent"] = interfaces  # of hardware that is not there; Junos has no objection
    config.vlans, kept = {}, {}
    for name, node in tree.get("vlans", {}).items():
        tag = node.pop("vlan-id", None)
        if tag is not None:
            config.vlans[int(tag)] = Vlan(name)
        if node or tag is None:
            kept[name] = node
    config.extra["vlans"] = kept
    return config
