"""What one session's command line does with a line, without any I/O; the base of every dialect.

A dialect is a subclass: its commands are methods marked with `command` (grammar.py), which change
`self.running` and answer text (None: nothing). A method that must ask is a generator:

    @command("exec", "copy running-config startup-config")
    def copy(self) -> Steps:
        name = yield Ask("Destination filename [startup-config]? ")
        yield from self.save()
        return "[OK]"

It raises Refused with the vendor's words for what the grammar allows and the switch does not.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nm.switch import PortState
from tests.switches.fakes.grammar import SLOTS, Command, Misread, Parsed, Slot, commands_of, parse
from tests.switches.fakes.state import ALL, Carried, Config, Port

if TYPE_CHECKING:
    from tests.switches.fakes.switch import FakeSwitch


@dataclass(frozen=True)
class Ask:
    """The switch asks; the answer comes back without its end of line."""

    text: str
    echo: bool = True
    key: bool = False  # one key is the answer; what is typed after it is the next line


@dataclass(frozen=True)
class Wait:
    """The switch works for so long."""

    seconds: float


Steps = Generator[Ask | Wait, str, str | None]


class Refused(Exception):
    """The command was understood, and is refused in these words."""


class Cli:
    """One session. `mode` is a key of the grammar, `targets` what the mode is about (ports, VLANs)."""

    dialect: ClassVar[str]
    device_type: ClassVar[str]  # netmiko's name
    in_band: ClassVar[bool] = False  # SSH lets everybody in, and the terminal asks for name and password
    telnet: ClassVar[bool] = False  # speaks telnet too
    user_text: ClassVar[str] = "Username: "
    login_failed: ClassVar[str] = "% Authentication failed"
    banner: ClassVar[str] = ""
    too_many: ClassVar[str] = "% Too many sessions"
    more: ClassVar[str] = " --More-- "
    blank: ClassVar[str] = ""  # what stands before every prompt, such as an empty line
    return_ends: ClassVar[bool] = False  # only a carriage return ends a line; a line feed is nothing
    echo_tail: ClassVar[str] = ""  # what follows every key that is echoed, such as the cursor's place
    scrolls: ClassVar[bool] = False  # a line longer than the terminal is wide scrolls sideways
    length: int = 24  # of the terminal; 0: no paging
    width: int = 80
    parents: ClassVar[Mapping[str, str]] = {}  # mode -> the mode whose commands it takes too
    first_mode: ClassVar[str] = "user"  # after log-in, when there is an enable secret
    enabled_mode: ClassVar[str] = "exec"
    must_enable: ClassVar[bool] = False  # even where there is no enable secret
    opens: ClassVar[bool] = True  # a port can carry VLANs beyond those named
    saves: ClassVar[bool] = True  # by a command; else what is made true is saved at once
    slots: ClassVar[Mapping[str, Slot]] = SLOTS
    without: ClassVar[tuple[str, ...]] = ()  # patterns of its base that this dialect does not know
    commands: ClassVar[tuple[Command, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.commands = commands_of(cls)

    def __init__(self, switch: FakeSwitch) -> None:
        self.switch = switch
        must = self.must_enable or switch.enable is not None
        self.mode = self.first_mode if must else self.enabled_mode
        self.targets: list[Any] = []
        self.draft: Any = None  # what this session has typed and not committed
        self.closed = False

    # What a dialect says of its switch

    @classmethod
    def port_names(cls, count: int) -> list[str]:
        """The names of a factory-new switch's ports."""
        raise AssertionError(f"{cls.__name__} names no ports")

    @classmethod
    def new_port(cls, name: str) -> Port:
        """A port as it leaves the factory."""
        return Port(name)

    @classmethod
    def new_config(cls, hostname: str, ports: Sequence[str]) -> Config:
        """The configuration of a factory-new switch."""
        return Config(hostname, {name: cls.new_port(name) for name in ports})

    @classmethod
    def carried(cls, config: Config, port: Port) -> Carried:
        """What a port carries by this configuration."""
        raise AssertionError(f"{cls.__name__} carries nothing")

    @classmethod
    def put(cls, port: Port, state: PortState) -> None:
        """Let the port carry that; where its own list has the VLANs, this is another."""
        port.shut = state.isolated
        port.access = state.untagged or 1
        port.mode = "trunk" if state.tagged or state.open else "access"
        named = frozenset({*state.tagged} | ({state.untagged} if state.untagged else set()))
        port.native, port.allowed = 1, ALL  # an access port as from the factory would be a trunk of all VLANs
        if port.mode == "trunk":
            port.native = state.untagged or 1
            port.allowed = ALL if state.open else named

    @classmethod
    def booted(cls, running: Config, startup: Config) -> Config:
        """The running configuration after a reboot."""
        return startup.copy()

    @classmethod
    def elapsed(cls, switch: FakeSwitch, seconds: float) -> None:
        """So much time has passed: what the switch does by itself then."""

    def greet(self) -> Steps:
        """What happens before the first prompt."""
        yield from ()
        return None

    def prompt(self) -> str:
        """What stands before the cursor."""
        raise AssertionError

    def configures(self, line: str) -> bool:
        """Whether the line counts as one of configuration."""
        return self.mode.startswith("config")

    def misread(self, line: str, reason: str, column: int) -> str:
        """The vendor's words for a line that the grammar does not know."""
        raise AssertionError

    def save_error(self) -> str:
        """The vendor's words when saving fails."""
        return "%Error opening nvram:/startup-config (No space left on device)"

    def log_message(self) -> str:
        """A log message, as it breaks into a session."""
        return "*Mar  1 00:04:22.531: %LINK-3-UPDOWN: Interface Vlan1, changed state to up"

    # What happens to a line

    @property
    def running(self) -> Config:
        return self.switch.running

    def run(self, line: str) -> Steps:
        """Execute a line; answers what the switch prints."""
        text, filters = split_pipes(line)
        words = text.split()
        if not words:
            return None
        understood = self.understand(words)
        if isinstance(understood, Misread):
            return self.misread(line, understood.reason, column_of(line, understood.at))
        before = self.mode, self.targets, self.draft
        try:
            if understood.mode not in (self.mode, self.enabled_mode, self.first_mode):  # asking leads nowhere
                self.enter(understood.mode)
            answer = getattr(self, understood.method)(*understood.arguments)
            if isinstance(answer, Generator):
                answer = yield from answer
        except Refused as refused:
            self.mode, self.targets, self.draft = before  # where it was, as after a line not understood
            return str(refused)
        return filtered(answer or "", filters)

    def understand(self, words: list[str]) -> Parsed | Misread:
        """The words by this mode's grammar, else by its parents'."""
        mode: str | None = self.mode
        best = Misread("invalid", 0)
        while mode is not None:
            found = parse(self.commands, mode, words, self.slots)
            if isinstance(found, Parsed):
                return found
            if found.at > best.at or found.reason == "ambiguous":
                best = found
            mode = self.parents.get(mode)
        return best

    def enter(self, mode: str, targets: Sequence[Any] = ()) -> None:
        """Go to another mode; a command of a parent's leads there too."""
        self.mode, self.targets = mode, list(targets)

    def rejected(self, line: str) -> str:
        """What a syntax error at the line's first word looks like: what the fault `reject` answers."""
        return self.misread(line, "invalid", column_of(line, 0))

    def ended(self) -> None:
        """The session is over, however it came to its end: let go of locks and private candidates."""

    def save(self) -> Steps:
        """The running configuration becomes the one to start with; takes its time, and may fail."""
        yield Wait(self.switch.save_seconds)
        if self.switch.faults.find("save"):
            raise Refused(self.save_error())
        self.switch.save()
        return None

    @property
    def ports(self) -> list[Port]:
        """The ports that the mode is about."""
        return [self.running.ports[name] for name in self.targets]


def column_of(line: str, at: int) -> int:
    """Where the word of that number begins in the line; its end when there are fewer words."""
    starts = [match.start() for match in re.finditer(r"\S+", line)]
    return starts[at] if at < len(starts) else len(line)


def split_pipes(line: str) -> tuple[str, list[str]]:
    """A line without what filters its output, and the filters."""
    text, *filters = re.split(r"\s\|\s", line)
    return text, filters


def filtered(text: str, filters: Sequence[str]) -> str:
    """Cisco's output modifiers: include, exclude, begin, section."""
    if not filters:
        return text
    lines = text.splitlines()
    for each in filters:
        word, _, pattern = each.strip().partition(" ")
        if word and "include".startswith(word):
            lines = [line for line in lines if re.search(pattern, line)]
        elif word and "exclude".startswith(word):
            lines = [line for line in lines if not re.search(pattern, line)]
        elif word and "begin".startswith(word):
            first = next((at for at, line in enumerate(lines) if re.search(pattern, line)), len(lines))
            lines = lines[first:]
        elif word and "section".startswith(word):
            lines = _sections(lines, pattern)
    return "\n".join(lines)


def _sections(lines: Sequence[str], pattern: str) -> list[str]:
    kept: list[str] = []
    inside = False
    for line in lines:
        if not line.startswith(" "):
            inside = bool(re.search(pattern, line))
        if inside:
            kept.append(line)
    return kept
