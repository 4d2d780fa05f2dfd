"""The door for people from outside: with a delegate's key one can call the API, and do nothing else.

Whatever is tried as the delegate `guest` is tried as `free` as well, an account of the machine with the same
sshd but neither `restrict` nor the forwarder: there it works, so it is these two that forbid it.
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import threading
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest

from tests.accounts.logins import next_tick
from tests.ssh.house import SHELL, House, call_on

WHO = xmlrpc.client.dumps((), "WhoAmI").encode()
PASSED = b"bytes of somebody inside"
INSIDE, DOOR = 7000, 7001  # ports of who is not to be reached, and of who forwards to there
SHEET = "/var/lib/nm/sheet"  # a file that all may read


@pytest.fixture(scope="module", autouse=True)
def guest(house: House) -> str:
    house.user("free", 3100)
    Path(SHEET).write_bytes(PASSED)
    return house.delegate("guest")


@pytest.fixture(scope="module")
def plain(house: House, guest: str) -> bytes:
    """What guest is answered when all is as it should be."""
    answer = house.ssh("guest", given=WHO).stdout
    assert xmlrpc.client.loads(answer)[0][0]["name"] == "guest"  # type: ignore[index, call-overload]
    return answer


def uid_of(house: House, name: str) -> int:
    found = house.rack.call("GetDelegates", {"name": name})
    return int(found[0]["uid"]) if found else 3100


def processes(uid: int) -> dict[int, str]:
    """The programs that run as that uid, but for sshd, by pid."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if os.stat(f"/proc/{pid}").st_uid == uid:
                found[int(pid)] = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    return {pid: name for pid, name in found.items() if not name.startswith("sshd")}


@contextlib.contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A client that runs for the time of the block."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def session(house: House, name: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """An open session whose shell runs, and waits for input."""
    uid = uid_of(house, name)
    house.rack.until(lambda: not processes(uid))  # what another test ended may still be there
    with started(house.ssh_command(name, house.key(name), options=options)) as process:
        house.rack.until(lambda: bool(processes(uid)))
        yield process


# ---- commands, terminals, environments, files

COMMANDS = [
    "id", "bash", "/bin/sh -i", "sh -c id", "cat /etc/passwd", "; id", "$(id)", "-c id", SHELL, "scp -t /tmp",
    "/usr/lib/openssh/sftp-server", "internal-sftp", "\n id", "x" * 10_000,
]  # fmt: skip


def run_on(connection: paramiko.Transport, ask: Callable[[paramiko.Channel], None]) -> bytes:
    """What comes from a session that is asked for in this way, and then given the call."""
    with connection.open_session(timeout=20) as channel:
        channel.settimeout(20)
        ask(channel)
        channel.sendall(WHO)
        channel.shutdown_write()
        return b"".join(iter(lambda: channel.recv(1 << 16), b""))


def test_whatever_command_is_given_it_is_a_call(house: House, plain: bytes) -> None:
    with house.connection("free") as connection:
        assert b"uid=3100(free)" in run_on(connection, lambda channel: channel.exec_command("id"))
    with house.connection("guest") as connection:
        for command in COMMANDS:
            assert run_on(connection, lambda channel, word=command: channel.exec_command(word)) == plain  # type: ignore[misc]
        assert run_on(connection, lambda channel: channel.invoke_subsystem("sftp")) == plain
    assert house.ssh("guest", "id", given=WHO).stdout == plain
    empty = house.ssh("guest", "bash")
    assert empty.returncode == 1 and b"faultCode" in empty.stdout and b"uid=" not in empty.stdout


def test_no_terminal(house: House) -> None:
    with house.connection("guest") as guest, house.connection("free") as free:
        free.open_session().get_pty()
        with pytest.raises(paramiko.SSHException):
            guest.open_session().get_pty()
    for words in ((), ("bash", "-i")):
        refused = house.ssh("guest", *words, options=["-tt"], given=WHO)
        assert (refused.returncode, refused.stdout) == (255, b"")


def test_no_environment(house: House, plain: bytes) -> None:
    given = "LC_TRICK=() LANG=xx_XX SSH_ORIGINAL_COMMAND=id BASH_ENV=/x LD_PRELOAD=/x NM_ADDRESS=/x"
    options = [f"-oSetEnv={given}"]
    assert house.ssh("free", 'echo "$LC_TRICK"', options=options).stdout == b"()\n"
    assert house.ssh("guest", "id", options=options, given=WHO).stdout == plain
    with session(house, "guest", *options):
        [pid] = processes(uid_of(house, "guest"))
        environment = Path(f"/proc/{pid}/environ")
        house.rack.until(lambda: bool(environment.read_bytes()))  # a program that begins has none yet
        names = {pair.partition(b"=")[0] for pair in environment.read_bytes().split(b"\0")}
    assert names & {b"LC_TRICK", b"LANG"}
    assert not names & {b"SSH_ORIGINAL_COMMAND", b"BASH_ENV", b"LD_PRELOAD", b"NM_ADDRESS"}


def test_a_forced_command_hears_nothing(house: House) -> None:
    """So administrators may log in: with an account of the machine, and a key for calls only."""
    house.user("forced", 3101, options=f'restrict,command="{SHELL}"')
    plain = house.ssh("forced", given=WHO).stdout
    assert b"3101" in plain
    for words in ("id", "x -c id", "/usr/lib/openssh/sftp-server"):
        assert house.ssh("forced", words, given=WHO).stdout == plain


def test_no_greeting(house: House, plain: bytes) -> None:
    """As Debian has sshd, with PAM, which greets on standard output."""
    Path("/etc/motd").write_text("Welcome!\n")
    with house.another_sshd("UsePAM yes\nPrintMotd yes\nPrintLastLog yes"):
        assert b"Welcome!\nhello" in house.ssh("free", given=b"echo hello").stdout
        assert house.ssh("guest", given=WHO).stdout == plain
        assert not opens(house, "guest", "free")


def copies(house: House, name: str, folder: Path) -> dict[Path, list[str]]:
    """Commands that copy the sheet, by the file that is there when one has worked."""
    options, at = house.ssh_options(house.key(name)), f"{name}@127.0.0.1"
    away = Path(f"/var/lib/house/tmp/{name}-away")
    folder.mkdir()
    (folder / "batch").write_text(f"get {SHEET} {folder}/sftp\n")
    return {
        folder / "sftp": ["sftp", *options, "-b", f"{folder}/batch", at],
        folder / "scp": ["scp", *options, f"{at}:{SHEET}", f"{folder}/scp"],
        folder / "old-scp": ["scp", "-O", *options, f"{at}:{SHEET}", f"{folder}/old-scp"],
        away: ["scp", *options, SHEET, f"{at}:{away}"],
    }


def test_no_files(house: House, tmp_path: Path) -> None:
    for file, command in copies(house, "free", tmp_path / "free").items():
        subprocess.run(command, check=True, capture_output=True, timeout=30)
        assert file.read_bytes() == PASSED
    uid, wanted = uid_of(house, "guest"), copies(house, "guest", tmp_path / "guest")
    house.rack.until(lambda: not processes(uid))
    with contextlib.ExitStack() as clients:
        for command in wanted.values():
            clients.enter_context(started(command))
        house.rack.until(lambda: len(processes(uid)) == len(wanted))
        assert set(processes(uid).values()) == {"forward_api_calls"}
    assert not [file for file in wanted if file.exists()]


@pytest.mark.parametrize("kind", ["delegate", "group"])
def test_no_files_of_sshds_own_server(house: House, kind: str, tmp_path: Path) -> None:
    """internal-sftp is served by sshd itself, and asks no login shell."""
    name = f"reader-{kind}"
    if kind == "delegate":
        house.delegate(name)
    else:
        team(house, name)
    free, mine = (tmp_path / who / "sftp" for who in ("free", name))
    with house.another_sshd(sftp="internal-sftp"):
        subprocess.run(copies(house, "free", free.parent)[free], check=True, capture_output=True, timeout=30)
        with started(copies(house, name, mine.parent)[mine]):
            house.rack.until(lambda: mine.exists() or bool(processes(pwd.getpwnam(name).pw_uid)))
    assert (free.exists(), mine.exists()) == (True, False)


# ---- forwarding


@pytest.fixture(scope="module")
def inside(house: House) -> Iterator[Path]:
    """Somebody who tells it to whoever connects, on a port and on a socket with this path."""
    path = house.folder / "inside.sock"
    listeners = [socket.create_server(("127.0.0.1", INSIDE)), socket.socket(socket.AF_UNIX)]
    listeners[1].bind(str(path))
    listeners[1].listen()
    path.chmod(0o666)

    def tell(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                with listener.accept()[0] as client:
                    client.sendall(PASSED)

    threads = [threading.Thread(target=tell, args=[listener]) for listener in listeners]
    for thread in threads:
        thread.start()
    yield path
    for listener, thread in zip(listeners, threads, strict=True):
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def connect(address: int | Path) -> socket.socket | None:
    """A connection to a port of this machine or to a socket in the file system."""
    found = socket.socket(socket.AF_INET if isinstance(address, int) else socket.AF_UNIX)
    found.settimeout(20)
    try:
        found.connect(("127.0.0.1", address) if isinstance(address, int) else str(address))
    except (ConnectionRefusedError, FileNotFoundError):
        found.close()
        return None
    return found


def is_closed(door: int | Path) -> bool:
    if (connection := connect(door)) is not None:
        connection.close()
    return connection is None


def passed(house: House, name: str, options: list[str], door: int | Path, hello: bytes) -> bytes:
    """What one reads at the forwarding's door; nothing when the client ended before there was one."""
    command = house.ssh_command(name, house.key(name), options=["-N", "-oExitOnForwardFailure=yes", *options])
    until = time.monotonic() + 30
    with started(command) as client:
        while (connection := connect(door)) is None:
            assert time.monotonic() < until
            if client.poll() is not None:
                return b""
            time.sleep(0.02)
        with connection, contextlib.suppress(ConnectionResetError):
            connection.sendall(hello)
            return b"".join(iter(lambda: connection.recv(4096), b""))
    return b""


SOCKS = b"\x04\x01" + INSIDE.to_bytes(2, "big") + bytes([127, 0, 0, 1]) + b"\0"
FORWARDS = {
    "local": (f"-L127.0.0.1:{DOOR}:127.0.0.1:{INSIDE}", b""),
    "local to a socket": (f"-L127.0.0.1:{DOOR}:/var/lib/house/inside.sock", b""),
    "dynamic": (f"-D127.0.0.1:{DOOR}", SOCKS),
    "remote": (f"-R127.0.0.1:{DOOR}:127.0.0.1:{INSIDE}", b""),
    "remote from a socket": (f"-R/var/lib/house/tmp/door.sock:127.0.0.1:{INSIDE}", b""),
}


@pytest.mark.parametrize("kind", FORWARDS)
def test_no_forwarding(house: House, inside: Path, kind: str) -> None:
    option, hello = FORWARDS[kind]
    door = house.folder / "tmp/door.sock" if kind == "remote from a socket" else DOOR
    assert PASSED in passed(house, "free", [option], door, hello)
    if isinstance(door, Path):
        door.unlink(missing_ok=True)
    house.rack.until(lambda: is_closed(door))
    assert PASSED not in passed(house, "guest", [option], door, hello)


def test_no_forwarding_of_standard_input(house: House, inside: Path) -> None:
    options = [f"-W127.0.0.1:{INSIDE}"]
    assert house.ssh("free", options=options).stdout == PASSED
    refused = house.ssh("guest", options=options)
    assert (refused.returncode, refused.stdout) == (255, b"")


def agents() -> list[str]:
    """Where sshd listens for who wants to ask a forwarded agent."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    return [line.split()[-1] for line in lines if "/agent." in line]


def test_no_agent(house: House, tmp_path: Path) -> None:
    path = tmp_path / "agent"
    options = ["-oForwardAgent=yes", f"-oIdentityAgent={path}"]
    look = 'test -S "$SSH_AUTH_SOCK" && echo there'
    with started(["ssh-agent", "-D", "-a", str(path)]):
        house.rack.until(path.exists)
        assert house.ssh("free", look, options=options).stdout == b"there\n"
        house.rack.until(lambda: agents() == [])
        with session(house, "guest", *options):
            assert agents() == []
        with session(house, "free", *options):
            assert len(agents()) == 1


@pytest.mark.skipif(shutil.which("xauth") is None, reason="needs xauth")
def test_no_x11(house: House) -> None:
    with house.connection("guest") as guest, house.connection("free") as free:
        free.open_session().request_x11()
        with pytest.raises(paramiko.SSHException):
            guest.open_session().request_x11()


@pytest.mark.skipif(not Path("/dev/net/tun").exists(), reason="needs /dev/net/tun")
def test_no_tunnel(house: House) -> None:
    options = ["-N", "-w5:6", "-oExitOnForwardFailure=yes"]
    house.authorize("root", Path.home())
    with started(house.ssh_command("root", house.key("root"), options=options)):
        house.rack.until(lambda: {"tun5", "tun6"} <= {name for _, name in socket.if_nameindex()})
    refused = house.ssh("guest", options=options)
    assert refused.returncode == 255
    assert [name for _, name in socket.if_nameindex()] == ["lo"]


# ---- what is in the home


def test_what_sshd_runs_at_a_login_is_not_run(house: House, plain: bytes) -> None:
    for name, home in (("free", Path("/var/lib/people/free")), ("guest", Path("/var/lib/nm-homes/guest"))):
        file = home / ".ssh/rc"
        file.write_text(f"touch /var/lib/house/tmp/{name}-rc\n")
        file.chmod(0o644)
    try:
        house.ssh("free")
        assert house.ssh("guest", given=WHO).stdout == plain
    finally:
        file.unlink()
    assert [Path(f"/var/lib/house/tmp/{name}-rc").exists() for name in ("free", "guest")] == [True, False]


@pytest.mark.parametrize("file", [".ssh/authorized_keys", ".ssh/rc", ".ssh/environment", ".hushlogin", "x"])
def test_an_account_cannot_write_in_its_home(house: House, file: str) -> None:
    uid, path = uid_of(house, "guest"), f"/var/lib/nm-homes/guest/{file}"
    for words in (["sh", "-c", f"echo x >>{path}"], ["rm", path], ["mv", path, "/var/lib/house/tmp/mine"]):
        done = subprocess.run(words, user=uid, group=uid, extra_groups=[], capture_output=True, check=False)
        assert done.returncode != 0, words


# ---- whose key opens what


def team(house: House, name: str, *nodes: str) -> None:
    """A deployed group, into whose account the key of its name logs in."""
    house.rack.call("CreateGroup", name, {"nodes": list(nodes), "keys": [house.key(name).public]})
    house.rack.deploy(name)


@pytest.fixture(scope="module")
def teams(house: House) -> None:
    team(house, "red", "n0")
    team(house, "blue", "n1")


def denied(house: House, account: str, method: str, *arguments: object) -> xmlrpc.client.Fault:
    with pytest.raises(xmlrpc.client.Fault) as raised:
        house.call(account, method, *arguments)
    return raised.value


def test_another_group_is_a_secret(house: House, teams: None) -> None:
    assert house.call("red", "GetStatus", "red")["nodes"]
    assert [group["name"] for group in house.call("red", "GetGroups", {})] == ["red"]
    fault = denied(house, "red", "GetStatus", "blue")
    absent = denied(house, "red", "GetStatus", "pink")
    assert fault.faultCode == absent.faultCode == 106
    assert fault.faultString == absent.faultString.replace("pink", "blue")


def test_an_account_cannot_set_its_own_keys(house: House, teams: None) -> None:
    file = Path("/var/lib/nm-homes/red/.ssh/authorized_keys")
    before = file.read_bytes()
    assert denied(house, "red", "SetKeys", "red", [house.key("free").public]).faultCode == 108
    assert file.read_bytes() == before


def test_a_key_opens_its_own_account_only(house: House, teams: None) -> None:
    for account, key in (
        ("red", "blue"),
        ("guest", "red"),
        ("red", "guest"),
        ("root", "guest"),
        ("free", "red"),
    ):
        refused = house.ssh(account, key=house.key(key), given=WHO)
        assert (refused.returncode, refused.stdout) == (255, b""), (account, key)


def opens(house: House, account: str, key: str) -> bool:
    return house.ssh(account, key=house.key(key), given=WHO).returncode == 0


def test_a_key_that_is_taken_away_ends_its_connections(house: House) -> None:
    team(house, "green", "n2")
    house.rack.call("SetKeys", "green", [house.key("green").public, house.key("second").public])
    house.rack.until(lambda: opens(house, "green", "second"))
    with house.connection("green", house.key("second")) as taken, house.connection("guest") as other:
        house.rack.call("SetKeys", "green", [house.key("green").public])
        house.rack.until(lambda: not taken.is_active())
        assert call_on(other, WHO)
    assert not opens(house, "green", "second")
    assert opens(house, "green", "green")


@contextlib.contextmanager
def slow_sessions(house: House) -> Iterator[Path]:
    """Logins that have shown their key and wait in PAM's session, as root, until this file is there."""
    go, wait, pam = house.folder / "tmp/go", house.folder / "wait", Path("/etc/pam.d/sshd")
    wait.write_text(f"#!/bin/sh\nuntil test -e {go}; do sleep 0.05; done\n")
    wait.chmod(0o755)
    before = pam.read_text()
    pam.write_text(f"{before}\nsession required pam_exec.so {wait}\n")
    house.stop_sshd()
    house.start_sshd("UsePAM yes")
    try:
        yield go
    finally:
        go.touch()
        pam.write_text(before)
        house.stop_sshd()
        house.start_sshd()
        go.unlink()


def test_who_had_shown_a_key_when_it_went_is_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last look is sooner than it is, and that is all."""
    monkeypatch.setattr("nm.accounts.LOOKS", (2.0, 15.0))
    house.delegate("slow", house.key("taken"))
    uid, ending = uid_of(house, "slow"), Path("/var/lib/nm-homes/slow/.ssh/.ending")
    with slow_sessions(house) as go, started(house.ssh_command("slow", house.key("taken"))) as late:
        house.rack.until(lambda: "Accepted publickey for slow" in house.sshd_log.read_text())
        job = house.rack.call("SetDelegateKeys", "slow", [house.key("kept").public])
        assert house.rack.wait(job)["state"] == "done"
        assert not processes(uid) and late.poll() is None
        go.touch()
        next_tick()
        with house.connection("slow", house.key("kept")) as good:
            house.rack.until(lambda: not ending.exists())
            assert late.wait(20) == 255
            assert call_on(good, WHO)
    assert not opens(house, "slow", "taken") and opens(house, "slow", "kept")


def test_a_key_more_ends_no_connection(house: House, teams: None) -> None:
    with house.connection("blue") as open_one:
        house.rack.call("SetKeys", "blue", [house.key("blue").public, house.key("more").public])
        house.rack.until(lambda: opens(house, "blue", "more"))
        assert call_on(open_one, WHO)


@pytest.mark.parametrize("kind", ["delegate", "group"])
def test_what_is_destroyed_is_out(house: House, kind: str) -> None:
    name = f"short-{kind}"
    if kind == "delegate":
        house.delegate(name)
    else:
        team(house, name, "n3")
    assert opens(house, name, name)
    with house.connection(name) as connection:
        job = house.rack.call("DestroyDelegate" if kind == "delegate" else "DestroyGroup", name)
        assert house.rack.wait(job)["state"] == "done"
        house.rack.until(lambda: not connection.is_active())
    assert not opens(house, name, name)
    assert not Path(f"/var/lib/nm-homes/{name}").exists()
    assert f"\n{name}:" not in Path("/etc/passwd").read_text()
