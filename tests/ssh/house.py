"""A house: a whole nm with Unix accounts and an sshd, in private namespaces of this machine.

Tests for it are tests/ssh/inside/test_*.py. Each of these modules runs in a house of its own, as root;
tests/ssh/test_in_house.py makes the houses and runs them, as does `python -m tests.ssh.house` with pytest's
arguments. A test takes the fixture `house`, a House. There is one a module: give things names of your own.

Private: all of /etc (passwd!), /run, /var/lib, /var/log, root's home, TMPDIR, processes, network (only lo),
and the host name. All of it is in memory and ends with the command, however that ends.
Running: nm in the test's own process (tests/rack.py) with a simulated rack, at /run/nm/api.sock,
localhost:812 and [::1]:812. Its accounts' shells were built for the house, and so was what sudo runs. And an
sshd on 127.0.0.1, ports 22 and 2222, that allows all it can: what delegates may not do, their keys and their
shell must forbid.
"""

import os
import shlex
import socket
import subprocess
import sys
import xmlrpc.client
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import paramiko

from nm import config
from tests.rack import Rack

PROJECT = Path(__file__).parents[2]
TOOLS = ("unshare", "setpriv", "sshd", "ssh", "ssh-keygen", "useradd", "make", "cc", "ip", "sudo", "visudo")
SHELL = "/var/lib/nm/forward_api_calls"
SLIVER_SHELL, ENTER = "/var/lib/nm/sliver_shell", "/var/lib/nm/nm-enter"
NETWORK = "10.20.0.1/24"  # of slivers
PORT, OTHER_PORT = 22, 2222
SFTP = "/usr/lib/openssh/sftp-server"
UNSHARE = ("unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc")
FIRST_UID = 90_000  # other tests on this machine end processes of lower ones, here as well
SECONDS = 220.0  # for all that happens in a house
SSHD = f"""
Port {PORT}
Port {OTHER_PORT}
ListenAddress 127.0.0.1
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AuthorizedKeysFile .ssh/authorized_keys
StrictModes yes
AcceptEnv LANG LC_*
AllowAgentForwarding yes
AllowStreamLocalForwarding yes
AllowTcpForwarding yes
GatewayPorts clientspecified
PermitTTY yes
PermitTunnel yes
PermitUserEnvironment yes
PermitUserRC yes
X11Forwarding yes
MaxStartups 200
MaxSessions 200
LogLevel VERBOSE
"""


# ---- outside: namespaces


def in_a_house(*command: str, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
    """Run a command in a new house; when the time is up, or the caller ends, all in there is killed."""
    walls = Path(__file__).with_name("walls.sh")
    return subprocess.run(
        ["setpriv", "--pdeathsig", "KILL", *UNSHARE, str(walls), *command],
        cwd=PROJECT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def pytest_in_a_house(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run tests of tests/ssh/inside in a house."""
    return in_a_house(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, arguments))


# ---- inside


@dataclass(frozen=True)
class Key:
    """A pair of keys: the file of the private one, and the line of the public one."""

    file: Path
    public: str


class HouseRack(Rack):
    """The rack, at the places where nm is by default."""

    def start(self) -> None:
        self.config = replace(self.config, api=config.Api(), slivers=config.Slivers(addresses=NETWORK))
        super().start()


class House:
    """Everything that runs in the house. `folder` is for scratch; root's alone is `private`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.private = folder / "private"
        self.private.mkdir(mode=0o700)
        self.known_hosts = folder / "known_hosts"
        self._sshd: subprocess.Popen[bytes] | None = None
        self._keys: dict[str, Key] = {}
        build_shells(folder / "build")
        install_enter()
        self._make_host_key()
        (folder / "rack").mkdir(mode=0o700)
        accounts = config.Accounts(shell=SHELL, sliver_shell=SLIVER_SHELL, first_uid=FIRST_UID)
        door = config.HeadNodes(door=f"127.0.0.1:{OTHER_PORT}", host_keys=str(self.private))
        self.rack = HouseRack(folder / "rack", nodes=4, accounts=accounts, headnodes=door)

    # ---- sshd

    @property
    def sshd_log(self) -> Path:
        """What sshd says, for who wants to know why."""
        return self.folder / "sshd.log"

    def _make_host_key(self) -> None:
        public = self.key("host").public.split()[:2]
        (self.private / "ssh_host_ed25519_key.pub").write_text(" ".join(public))
        places = ["127.0.0.1", "localhost", f"[127.0.0.1]:{OTHER_PORT}", f"[localhost]:{OTHER_PORT}"]
        self.known_hosts.write_text(f"{','.join(places)} {' '.join(public)}\n")
        self.known_hosts.chmod(0o644)

    def start_sshd(self, more: str = "", sftp: str = SFTP) -> None:
        """Start it; what more lines of configuration say counts. Returns when it answers."""
        Path("/run/sshd").mkdir(exist_ok=True, mode=0o755)
        file = self.private / "sshd_config"
        file.write_text(f"HostKey {self.key('host').file}\n{more}\nSubsystem sftp {sftp}\n{SSHD}")
        with self.sshd_log.open("ab") as log:
            self._sshd = subprocess.Popen(
                ["/usr/sbin/sshd", "-D", "-e", "-f", file], stdin=subprocess.DEVNULL, stderr=log
            )
        self.rack.until(self._sshd_answers)

    def _sshd_answers(self) -> bool:
        assert self._sshd is not None
        assert self._sshd.poll() is None, self.sshd_log.read_text()
        return answers(PORT) and answers(OTHER_PORT)

    def stop_sshd(self) -> None:
        """Kill who listens, by its pid; open connections stay."""
        if self._sshd is not None:
            self._sshd.kill()
            self._sshd.wait()
            self._sshd = None

    @contextmanager
    def another_sshd(self, more: str = "", sftp: str = SFTP) -> Iterator[None]:
        """One that is configured otherwise is in its place for the time of the block."""
        self.stop_sshd()
        try:
            self.start_sshd(more, sftp)
            yield
        finally:
            self.stop_sshd()
            self.start_sshd()

    # ---- people

    def key(self, name: str) -> Key:
        """The pair of keys of that name; made when first asked for."""
        if name not in self._keys:
            file = self.private / f"key-{name}"
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(file))
            self._keys[name] = Key(file, file.with_name(f"{file.name}.pub").read_text().strip())
        return self._keys[name]

    def delegate(self, name: str, key: Key | None = None, rights: Sequence[str] = ()) -> str:
        """A new delegate that may log in with the key (or the key of its own name): its Unix account."""
        key = key or self.key(name)
        job = self.rack.wait(self.rack.call("CreateDelegate", name, [key.public], list(rights)))
        assert job["state"] == "done", job
        account: str = self.rack.call("GetDelegates", {"name": name})[0]["account"]
        return account

    def user(self, name: str, uid: int, shell: str = "/bin/sh", options: str = "", groups: str = "") -> None:
        """An account that nm did not make, and its key of the same name, with these options."""
        home = f"/var/lib/people/{name}"
        Path(home).parent.mkdir(exist_ok=True)
        more = ["--groups", groups] if groups else []
        run("useradd", "--uid", str(uid), "--create-home", "--home", home, "-K", "SUB_UID_COUNT=0",
            "-K", "SUB_GID_COUNT=0", "--password", "*", "--shell", shell, *more, name)  # fmt: skip
        self.authorize(name, Path(home), options)

    def authorize(self, name: str, home: Path, options: str = "") -> None:
        """Let the key of that name log in there."""
        folder = home / ".ssh"
        folder.mkdir(exist_ok=True, mode=0o755)
        (folder / "authorized_keys").write_text(f"{options} {self.key(name).public}\n".lstrip())

    # ---- clients

    def ssh_options(self, key: Key) -> list[str]:
        """Options with which ssh asks nobody, and has nothing of its own but this key."""
        settings = {
            "BatchMode": "yes", "IdentitiesOnly": "yes", "IdentityAgent": "none", "IdentityFile": key.file,
            "StrictHostKeyChecking": "yes", "UserKnownHostsFile": self.known_hosts,
            "GlobalKnownHostsFile": "/dev/null", "KexAlgorithms": "curve25519-sha256", "ConnectTimeout": 10,
            "LogLevel": "ERROR",
        }  # fmt: skip
        return ["-F", "none", *(f"-o{name}={value}" for name, value in settings.items())]

    def ssh_command(self, account: str, key: Key, *words: str, options: Sequence[str] = ()) -> list[str]:
        """`ssh -T`; these options go before all others, and win."""
        return ["ssh", "-T", *options, *self.ssh_options(key), f"{account}@127.0.0.1", *words]

    def ssh(
        self,
        account: str,
        *words: str,
        key: Key | None = None,
        options: Sequence[str] = (),
        given: bytes = b"",
        seconds: float = 20.0,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `ssh -T OPTIONS account@127.0.0.1 WORDS`; the key is by default that of the account's name."""
        command = self.ssh_command(account, key or self.key(account), *words, options=options)
        return subprocess.run(command, input=given, capture_output=True, timeout=seconds, check=False)

    def call(self, account: str, method: str, *arguments: Any, key: Key | None = None) -> Any:
        """Call a method through ssh and the forwarder: its answer, or xmlrpc.client.Fault."""
        request = xmlrpc.client.dumps(arguments, method, allow_none=True).encode()
        done = self.ssh(account, key=key, given=request)
        assert done.stdout, (done.returncode, done.stderr)
        return xmlrpc.client.loads(done.stdout)[0][0]

    @contextmanager
    def connection(self, account: str, key: Key | None = None) -> Iterator[paramiko.Transport]:
        """A login in which a session has come and gone already; see `call_on`."""
        made = socket.create_connection(("127.0.0.1", PORT))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a call takes 80 ms
        file = str((key or self.key(account)).file)
        with made, paramiko.SSHClient() as client:
            client.load_host_keys(str(self.known_hosts))
            client.connect(
                "127.0.0.1",
                sock=made,
                username=account,
                key_filename=file,
                allow_agent=False,
                look_for_keys=False,
            )
            transport = client.get_transport()
            assert transport is not None
            with transport.open_session(timeout=20) as channel:
                channel.exec_command("true")
                channel.shutdown_write()
                channel.recv_exit_status()
            yield transport

    # ---- life

    def close(self) -> None:
        """Stop nm and sshd."""
        self.stop_sshd()
        self.rack.stop()


@contextmanager
def house() -> Iterator[House]:
    """The house that this process is in, with everything running; stopped at the end."""
    made = House(Path(os.environ["HOUSE"]))
    try:
        made.rack.register()
        made.start_sshd()
        yield made
    finally:
        made.close()


def call_on(connection: paramiko.Transport, request: bytes) -> bytes:
    """Send a request's body to the forwarder, in a session of its own: the answer's body."""
    with connection.open_session(timeout=20) as channel:
        channel.settimeout(20)
        channel.invoke_shell()
        channel.sendall(request)
        channel.shutdown_write()
        answer = b"".join(iter(lambda: channel.recv(1 << 16), b""))
        assert answer, (channel.recv_exit_status(), channel.recv_stderr(1 << 16))
        return answer


def build_shells(folder: Path) -> None:
    """Build the login shells as they are shipped; the forwarder has the socket that it has by default."""
    source = str(PROJECT / "forward_api_calls")
    run("make", "--silent", "-C", source, f"BUILD={folder}", f"ENTER={ENTER}", "all")
    Path(SHELL).parent.mkdir(parents=True)
    for shell in (SHELL, SLIVER_SHELL):
        run("install", "-m", "755", str(folder / Path(shell).name), shell)


def install_enter() -> None:
    """nm-enter, who may run it, and the Unix group of those: as the installation does."""
    program = f"#!{sys.executable} -I\nimport sys\n\nfrom nm.enter import main\n\nsys.exit(main())\n"
    Path(ENTER).write_text(program)
    Path(ENTER).chmod(0o755)
    rule = (PROJECT / "packaging/sudoers").read_text().replace("/usr/lib/nm/nm-enter", ENTER)
    Path("/etc/sudoers.d/nm").write_text(rule)
    Path("/etc/sudoers.d/nm").chmod(0o440)
    run("visudo", "--check", "--strict")
    run("groupadd", "--system", "nm-slivers")


def run(*command: str) -> None:
    """Run a command that must work."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}: {done.stdout}{done.stderr}"


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return False
    return True


if __name__ == "__main__":
    found = pytest_in_a_house(*sys.argv[1:])
    print(found.stdout + found.stderr, end="")
    sys.exit(found.returncode)
