"""A bash on a switch that is a Linux machine: prompts, sudo, lists of commands, exit statuses.

A dialect names its programs and marks methods with patterns that begin with a program's name. Such a method
raises Refused with what the program prints when it fails, and `Failed` with another exit status than 1.
"""

import re
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from tests.switches.fakes.cli import Ask, Cli, Refused, Steps
from tests.switches.fakes.grammar import Misread

if TYPE_CHECKING:
    from tests.switches.fakes.switch import FakeSwitch

PASTE_ON, PASTE_OFF = "\x1b[?2004h", "\x1b[?2004l\r"  # bracketed paste, as bash turns it on at each prompt


class Failed(Refused):
    """A program ends with that exit status, having printed that."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Shell(Cli):
    """Modes: shell, and root after `sudo -s`. The option sudo_password: sudo asks for the user's password."""

    device_type = "linux"
    first_mode = enabled_mode = "shell"
    parents: ClassVar = {"root": "shell"}
    length = 0
    programs: ClassVar[tuple[str, ...]]  # on the PATH
    place: ClassVar[str] = "~"  # what the prompt says behind the host
    too_many = "Too many logins"

    def __init__(self, switch: "FakeSwitch") -> None:
        super().__init__(switch)
        self.status = 0  # $?
        self.root = False  # whether what runs now has root's rights
        self.known = False  # sudo has asked for the password in this session

    def prompt(self) -> str:
        user, sign = ("root", "#") if self.mode == "root" else (self.switch.user, "$")
        place = f"/home/{self.switch.user}" if self.mode == "root" else self.place
        return f"{PASTE_ON}{user}@{self.running.hostname}:{place}{sign} "

    def rejected(self, line: str) -> str:
        self.status = 2
        words = [word for word in line.split() if word != "sudo"]
        return PASTE_OFF + self.misread(" ".join(words), "invalid", len(words) - 1)

    def misread(self, line: str, reason: str, at: int) -> str:
        """The program's words for a line that it does not know from the word of that number on."""
        raise AssertionError

    def log_message(self) -> str:
        return "\nBroadcast message from root@sw1 (Mon 2026-11-30 04:04:21 UTC):\n\nfan 2 has failed\n"

    def run(self, line: str) -> Steps:
        """A list of commands, with `;`, `&&` and `||` between."""
        printed: list[str] = []
        pieces = re.split(r"\s*(&&|\|\||;)\s*", line)
        for joint, piece in zip([";", *pieces[1::2]], pieces[::2], strict=True):
            if piece and not (joint == "&&" and self.status) and not (joint == "||" and not self.status):
                printed += [text for text in [(yield from self.execute(piece))] if text]
        return PASTE_OFF + "\n".join(printed) if printed else None

    def execute(self, command: str) -> Steps:
        """One command, with what filters its output."""
        text, *filters = re.split(r"\s*\|\s*", command)
        try:
            words = shlex.split(text.replace("$?", str(self.status)))
        except ValueError:
            self.status = 2
            return "-bash: unexpected EOF while looking for matching quote"
        self.root = self.mode == "root"
        try:
            answer = yield from self.program(words)
            self.status = 0
        except Failed as failed:
            self.status = failed.status
            return str(failed)
        except Refused as refused:
            self.status = 1
            return str(refused)
        return piped(answer or "", filters)

    def program(self, words: list[str]) -> Steps:
        """A builtin of bash, sudo, or one of the switch's programs."""
        match words:
            case [] | ["true"] | ["sync"] | ["export", *_] | ["cd", *_] | ["stty", *_]:
                return None
            case ["echo", *what]:
                return " ".join(what)
            case ["exit" | "logout", *_]:
                self.closed = self.mode == "shell"
                self.mode = "shell"
                return "logout" if self.closed else "exit"
            case ["sudo", *rest]:
                return (yield from self.sudo(rest))
            case ["false"]:
                raise Refused("")
        if words[0] not in self.programs:
            raise Failed(f"-bash: {words[0]}: command not found", 127)
        return (yield from self.understood(words))

    def sudo(self, words: Sequence[str]) -> Steps:
        quiet = "-n" in words[:1]
        words = [word for word in words if word not in ("-n", "-S", "-E")]
        if self.switch.options.get("sudo_password") and not self.known and self.mode != "root":
            if quiet:
                raise Refused("sudo: a password is required")
            yield from self.ask_password()
        self.root = True
        if words in (["-s"], ["-i"], ["su"], ["su", "-"], ["bash"]):
            self.mode = "root"
            return None
        if words and words[0] not in self.programs:
            raise Refused(f"sudo: {words[0]}: command not found")
        return (yield from self.understood(list(words)))

    def ask_password(self) -> Steps:
        again = ""
        for _ in range(3):
            answer = yield Ask(f"{again}[sudo] password for {self.switch.user}: ", echo=False)
            if answer == self.switch.password:
                self.known = True
                return None
            again = "Sorry, try again.\n"
        raise Refused("sudo: 3 incorrect password attempts")

    def understood(self, words: list[str]) -> Steps:
        found = self.understand(words)
        if isinstance(found, Misread):
            raise Failed(self.misread(" ".join(words), found.reason, found.at), 2)
        answer = getattr(self, found.method)(*found.arguments)
        if hasattr(answer, "send"):
            answer = yield from answer
        return str(answer) if answer is not None else None


def piped(text: str, filters: Sequence[str]) -> str:
    """What grep leaves; other filters are taken as `cat`."""
    lines = text.split("\n")
    for each in filters:
        words = shlex.split(each)
        if words[:1] == ["grep"]:
            flags = {flag for word in words[1:-1] for flag in word.strip("-")}
            kept = re.compile(words[-1], re.IGNORECASE if "i" in flags else 0)
            lines = [line for line in lines if bool(kept.search(line)) != ("v" in flags)]
    return "\n".join(lines)
