"""nm-enter: what the login shell of slivers' accounts runs as root, to be in the account's guest.

By sudo, whose rule is packaging/sudoers. Who calls is known by SUDO_UID alone; where that leads is told by
the files of nm/guestaccounts.py, so it works whether or not nmd runs. A container is entered
(nm/container.py); with a virtual machine speaks ssh, by nm's key, as the account and not as root. It stays
until the session ends, and ends the session when the connection does.

Arguments: none for a session with a shell, or `-c COMMAND`. Exit status: the session's; 1 when the guest does
not run, 126 when it cannot be entered. Standard library only, quick to load.
"""

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nm import container
from nm.relay import Session

FOLDER = Path("/run/nm/guests")
SSH = "/usr/bin/ssh"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOT_RUNNING, FAILED = 1, 126
_WORD = re.compile(r"[A-Za-z0-9_.@:+-]{1,100}")
_LOCALE = re.compile(r"TERM|LANG|LC_[A-Z]+")
_SFTP = re.compile(r"(internal-sftp|/\S*/sftp-server)(\s.*)?", re.DOTALL)
# Where distributions have it; ours is of no use in there.
_SERVERS = (
    "/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/libexec/sftp-server",
    "/usr/lib/ssh/sftp-server", "/usr/lib/sftp-server",
)  # fmt: skip
_SFTP_THERE = (
    f"for server in {' '.join(_SERVERS)}; do [ -x $server ] && exec $server; done; "
    "echo 'nm: this guest has no sftp-server' >&2; exit 127"
)


class Refused(Exception):
    """Nobody is let in: a sentence, and the exit status."""

    def __init__(self, sentence: str, status: int = FAILED) -> None:
        super().__init__(sentence)
        self.status = status


def main() -> int:
    """The program."""
    try:
        asked = ask(sys.argv[1:], os.environ)
        os.environ.clear()
        os.umask(0o022)
        guest = find(asked.uid)
        return (into_container if guest["type"] == "sliver.LXC" else into_machine)(guest, asked)
    except Refused as refused:
        return _say(str(refused), refused.status)
    except (container.NotThere, OSError) as error:
        return _say(f"this guest cannot be entered: {error}", FAILED)


def _say(sentence: str, status: int) -> int:
    sys.stderr.write(f"nm: {sentence}\n")
    return status


def _is_harmless(name: str, value: str) -> bool:
    """Sudo says "unknown" of a terminal where there is none."""
    return bool(_LOCALE.fullmatch(name) and _WORD.fullmatch(value) and (name, value) != ("TERM", "unknown"))


@dataclass(frozen=True)
class Asked:
    """Who calls, and what for."""

    uid: int
    gid: int
    command: str | None  # None: a shell
    terminal: bool
    language: Mapping[str, str]  # variables
    connection: int  # a pidfd

    @property
    def sftp(self) -> bool:
        """Whether files are to be had: what a host's sshd calls its server says nothing of the guest's."""
        return self.command is not None and bool(_SFTP.fullmatch(self.command))


def ask(arguments: Sequence[str], environment: Mapping[str, str]) -> Asked:
    """What sudo and the login shell say; Refused when it is not they who call."""
    if os.geteuid() != 0 or not {"SUDO_UID", "SUDO_GID"} <= environment.keys():
        raise Refused("this is for login shells of slivers' accounts, by sudo")
    if arguments and (len(arguments) != 2 or arguments[0] != "-c"):
        raise Refused("say no arguments, or -c COMMAND")
    uid, gid = int(environment["SUDO_UID"]), int(environment["SUDO_GID"])
    language = {name: value for name, value in environment.items() if _is_harmless(name, value)}
    command = arguments[1] if arguments else None
    return Asked(uid, gid, command, os.isatty(0), language, connection_of(uid))


def find(uid: int) -> Mapping[str, Any]:
    """Where the account of that uid leads; Refused when nowhere, or when nobody is there."""
    try:
        guest: dict[str, Any] = json.loads((FOLDER / f"{uid}.json").read_bytes())
    except FileNotFoundError:
        raise Refused("no guest belongs to this account") from None
    if not guest["running"]:
        raise Refused(f"sliver {guest['sliver']} does not run: {guest['why']}", NOT_RUNNING)
    return guest


def connection_of(uid: int) -> int:
    """The process (a pidfd) whose end is that of the connection: sshd's of that account, or who called us."""
    pid, found = os.getppid(), os.getppid()
    while pid > 1:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        if int(fields["Uid"].split()[0]) == uid:
            found = pid
            break
        pid = int(fields["PPid"])
    if found == 1:
        raise Refused("the connection has ended")
    return os.pidfd_open(found)


# ---- containers


def into_container(guest: Mapping[str, Any], asked: Asked) -> int:
    """A session of root's in the container: its exit status."""
    nothing = os.open(os.devnull, os.O_RDWR)
    container.enter(container.first_process(guest["domain"]))
    master, terminal = container.open_terminal() if asked.terminal else (-1, -1)
    home, shell = container.home_and_shell()
    environment = {"HOME": home, "SHELL": shell, "USER": "root", "LOGNAME": "root", "PATH": PATH}
    words = [f"-{shell.rpartition('/')[2]}"]
    if asked.command is not None:
        words = [shell, "-c", _SFTP_THERE if asked.sftp else asked.command]
    child = os.fork()
    if child == 0:
        _become(shell, words, {**environment, **asked.language}, home, terminal)
    session = Session(child, asked.connection, group=True)
    if asked.terminal:
        os.close(terminal)
        return session.relay(0, master)
    _let_go(nothing)
    return session.wait()


def _become(shell: str, words: list[str], environment: dict[str, str], home: str, terminal: int) -> None:
    """The child, which the container can see: its shell, with nothing of ours."""
    try:
        if terminal >= 0:
            os.login_tty(terminal)
        else:
            os.setsid()
        os.closerange(3, 1 << 20)
        try:
            os.chdir(home)
        except OSError:
            os.chdir("/")
        os.execve(shell, words, environment)  # noqa: S606 - no shell of ours
    except OSError as error:
        _say(f"{shell}: {error.strerror}", FAILED)
    finally:
        os._exit(FAILED)


def _let_go(nothing: int) -> None:
    """Keep no end of the session's pipes: who waits for the last one to close would wait for us."""
    for descriptor in (0, 1):
        os.dup2(nothing, descriptor)


# ---- virtual machines


def into_machine(guest: Mapping[str, Any], asked: Asked) -> int:
    """A session in the virtual machine, by ssh: its exit status."""
    if not guest["address"]:
        raise Refused(f"sliver {guest['sliver']} has no address of nm's (slivers.addresses)")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.setgroups([])
    os.setresgid(asked.gid, asked.gid, asked.gid)
    os.setresuid(asked.uid, asked.uid, asked.uid)
    words = ssh(guest, f"{FOLDER}/{asked.uid}", asked)
    child = os.fork()
    if child == 0:
        try:
            os.execve(SSH, words, {"PATH": PATH, **asked.language})  # noqa: S606 - no shell of ours
        finally:
            os._exit(FAILED)
    session = Session(child, asked.connection, group=False)
    _let_go(nothing)
    return session.wait()


def ssh(guest: Mapping[str, Any], files: str, asked: Asked) -> list[str]:
    """The command line. Nothing of it is the user's but what follows `--` and the address."""
    settings = {
        "BatchMode": "yes", "IdentitiesOnly": "yes", "IdentityAgent": "none", "IdentityFile": f"{files}.key",
        "StrictHostKeyChecking": "yes", "UserKnownHostsFile": f"{files}.known_hosts",
        "GlobalKnownHostsFile": "/dev/null", "HostKeyAlias": "guest", "HostKeyAlgorithms": "ssh-ed25519",
        "UpdateHostKeys": "no", "PreferredAuthentications": "publickey", "ClearAllForwardings": "yes",
        "ForwardAgent": "no", "ForwardX11": "no", "Tunnel": "no", "PermitLocalCommand": "no",
        "ControlMaster": "no", "ControlPath": "none", "EscapeChar": "none", "ConnectTimeout": "10",
        "ServerAliveInterval": "15", "LogLevel": "ERROR", "SendEnv": "LANG LC_*",
    }  # fmt: skip
    options = [f"-o{name}={value}" for name, value in settings.items()]
    options += ["-s"] if asked.sftp else ["-tt" if asked.terminal else "-T"]
    said = "sftp" if asked.sftp else asked.command
    return [
        SSH, "-F", "none", *options, "-l", guest["user"], "--", guest["address"],
        *([] if said is None else [said]),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
