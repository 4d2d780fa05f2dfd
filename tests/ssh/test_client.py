"""What nm.ssh reads before it connects, and servers that are none. A real one is in inside/."""

import base64
import hashlib
import hmac
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko
import pytest
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)

from nm import client, ssh
from nm.client import Unreachable
from nm.ssh import SshError, Target, check_host_key, find_target, known_keys

ED25519 = "ssh-ed25519"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of somebody who has set up nothing."""
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "me")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    monkeypatch.setattr(ssh, "SYSTEM_CONFIG", str(tmp_path / "etc/ssh_config"))
    return tmp_path


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    """A private key that is nowhere known."""
    paramiko.ECDSAKey.generate().write_private_key_file(str(tmp_path / "key"))
    return str(tmp_path / "key")


def configure(home: Path, text: str, file: str = ".ssh/config") -> None:
    (home / file).parent.mkdir(exist_ok=True)
    (home / file).write_text(text)


# ---- OpenSSH's configuration


def test_without_configuration(home: Path) -> None:
    assert find_target("host") == Target(
        host="host",
        port=22,
        user="me",
        name="host",
        known_hosts=[
            f"{home}/.ssh/known_hosts",
            f"{home}/.ssh/known_hosts2",
            "/etc/ssh/ssh_known_hosts",
            "/etc/ssh/ssh_known_hosts2",
        ],
        keys=[f"{home}/.ssh/id_{kind}" for kind in ("rsa", "ecdsa", "ed25519")],
        only_these=False,
        agent="/agent",
        proxy=[],
    )


def test_the_configuration_of_openssh_holds(home: Path) -> None:
    configure(
        home,
        """
        Host site
            HostName node.example
            Port 2222
            User del_alpha
            IdentityFile ~/.ssh/alpha
            IdentityFile "~/.ssh/with space"
            IdentitiesOnly yes
            IdentityAgent none
            UserKnownHostsFile ~/.ssh/site "/with space/known"
            StrictHostKeyChecking no
        """,
    )
    configure(home, "GlobalKnownHostsFile /dev/null\nHost site\nUser other\n", "etc/ssh_config")
    found = find_target("site")
    assert (found.host, found.port, found.user) == ("node.example", 2222, "del_alpha")
    assert found.name == "[node.example]:2222"
    assert found.known_hosts == [f"{home}/.ssh/site", "/with space/known", "/dev/null"]
    assert found.keys == [f"{home}/.ssh/alpha", f"{home}/.ssh/with space"]
    assert found.only_these
    assert found.agent == ""


def test_what_the_caller_says_comes_first(home: Path) -> None:
    configure(
        home, "Host *\nPort 2222\nUser del_alpha\nIdentityFile ~/.ssh/alpha\nProxyCommand via %r %h %p\n"
    )
    found = find_target("host", 22, "del_beta", "~/beta", "~/known")
    assert (found.port, found.user, found.name) == (22, "del_beta", "host")
    assert (found.keys, found.only_these) == ([f"{home}/beta"], True)
    assert found.known_hosts == [f"{home}/known"]
    assert found.proxy == ["/bin/sh", "-c", "exec via del_beta host 22"]


def test_included_files_stand_in_their_place(home: Path) -> None:
    configure(home, "Include more/*.conf\nPort 1000\nHost b\n  include one\nHost c\nInclude=config\nUser c\n")
    configure(home, "Host a\nPort 1001\n", ".ssh/more/a.conf")
    configure(home, "User b\n", ".ssh/one")
    assert [find_target(host).port for host in "ab"] == [1001, 1000]
    assert [find_target(host).user for host in "abc"] == ["me", "b", "c"]


@pytest.mark.parametrize(
    ("jump", "command"),
    [
        ("none", []),
        ("gate", ["-W", "[host]:22", "ssh://gate"]),
        ("me@one:5,ssh://two:6", ["-J", "me@one:5", "-W", "[host]:22", "ssh://two:6"]),
    ],
)
def test_jumps_are_openssh_s(home: Path, jump: str, command: list[str]) -> None:
    configure(home, f"ProxyJump {jump}\n")
    assert find_target("host").proxy[3:] == command


def test_the_agent_may_be_another(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "/mine")
    for setting, path in (
        ("SSH_AUTH_SOCK", "/agent"),
        ("$MINE", "/mine"),
        ("${MINE}", "/mine"),
        ("~/a", f"{home}/a"),
    ):
        configure(home, f"IdentityAgent {setting}\n")
        assert find_target("host").agent == path


@pytest.mark.parametrize("text", ["nonsense\n", "Port many\n", 'Host "a\n', "Match host\n"])
def test_a_configuration_that_cannot_be_read_is_named(home: Path, text: str) -> None:
    configure(home, text)
    with pytest.raises(SshError) as refused:
        find_target("host")
    assert "~/.ssh/config" in refused.value.message
    assert not refused.value.sent


# ---- known hosts


@pytest.fixture(scope="module")
def keys() -> list[paramiko.PKey]:
    return [paramiko.ECDSAKey.generate() for _ in range(2)]


def line(hosts: str, key: paramiko.PKey, marker: str = "") -> str:
    return f"{marker} {hosts} {key.get_name()} {key.get_base64()} comment\n".lstrip()


def hashed(name: str) -> str:
    salt = b"salt" * 5
    digest = hmac.new(salt, name.encode(), "sha1").digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("hosts", "named"),
    [
        ("host", True),
        ("HOST,other", True),
        ("other", False),
        ("host2", False),
        ("*.example,h?st", True),
        ("*,!host", False),
        ("[host]:2222", False),
        ("h[o]st", False),
        (hashed("host"), True),
        (hashed("other"), False),
        ("|1|broken", False),
    ],
)
def test_who_is_named_in_known_hosts(
    tmp_path: Path, keys: list[paramiko.PKey], hosts: str, named: bool
) -> None:
    file = tmp_path / "known"
    file.write_text("# a comment\n\nhost\n" + line(hosts, keys[0]))
    found = known_keys([str(tmp_path / "none"), str(file)], "host")
    assert [one.key for one in found] == ([keys[0].asbytes()] if named else [])


def test_a_port_is_part_of_the_name(tmp_path: Path, keys: list[paramiko.PKey]) -> None:
    (tmp_path / "known").write_text(line("host", keys[0]) + line("[host]:2222", keys[1]))
    (found,) = known_keys([str(tmp_path / "known")], "[host]:2222")
    assert found.key == keys[1].asbytes()


def said_of(home: Path, key: paramiko.PKey, known: str, port: int = 22) -> SshError | None:
    """Why that key is refused, by a file with that text; None when it is not."""
    (home / "known").write_text(known)
    target = find_target("host", port, known_hosts=str(home / "known"))
    try:
        check_host_key(target, known_keys(target.known_hosts, target.name), key)
    except SshError as error:
        assert (
            "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode()[:43]
            in error.message
        )
        return error
    return None


def test_only_a_known_key_is_good(home: Path, keys: list[paramiko.PKey]) -> None:
    good, other = keys
    assert said_of(home, good, line("host", other) + line("host", good)) is None
    unknown = said_of(home, good, "")
    assert unknown and f"none of: {home}/known" in unknown.message and "`ssh-keyscan host`" in unknown.hint
    changed = said_of(home, good, line("host", other))
    assert changed and "another one is known" in changed.message and "ssh-keygen -R 'host'" in changed.hint
    revoked = said_of(home, good, line("host", good) + line("*", good, "@revoked"))
    assert revoked and "revoked" in revoked.message and "do not connect" in revoked.hint
    elsewhere = said_of(home, good, line("host", good), 2222)
    assert elsewhere and "`ssh -p 2222 host`" in elsewhere.hint


def test_an_authority_is_no_host(home: Path, keys: list[paramiko.PKey]) -> None:
    refused = said_of(home, keys[0], line("host", keys[0], "@cert-authority"))
    assert refused and "none of" in refused.message


# ---- servers that are none


class Odd(paramiko.ServerInterface):
    """An sshd with one oddity."""

    def __init__(self, oddity: str, ended: threading.Event) -> None:
        self._oddity = oddity
        self._ended = ended

    def _hang(self, where: str) -> None:
        if self._oddity == f"hangs at {where}":
            self._ended.wait(20)

    def get_allowed_auths(self, username: str) -> str:
        return "password" if self._oddity == "takes no keys" else "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self._hang("login")
        return AUTH_FAILED if self._oddity == "takes no keys" else AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        self._hang("opening")
        prohibited = OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        return prohibited if self._oddity == "opens nothing" else OPEN_SUCCEEDED

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:
        self._hang("shell")
        return self._oddity != "has no shell"


@contextmanager
def odd_sshd(home: Path, oddity: str, answer: bytes = b"", status: int | None = None) -> Iterator[str]:
    """Such a server; when it gets as far as a request it says that, and has that exit status, if any."""
    ended = threading.Event()
    host_keys = [paramiko.ECDSAKey.generate(), paramiko.RSAKey.generate(2048)]

    def treat(connection: socket.socket) -> None:
        with paramiko.Transport(connection) as transport:
            for host_key in host_keys:
                transport.add_server_key(host_key)
            with suppress(paramiko.SSHException, EOFError):
                transport.start_server(server=Odd(oddity, ended))
                if channel := transport.accept(20):
                    while channel.recv(65536):
                        pass
                    channel.sendall(answer)
                    if status is not None:
                        channel.send_exit_status(status)
                    channel.close()
            ended.wait(20)

    with server(treat) as address:
        name = address.removeprefix("ssh://").replace("127.0.0.1", "[127.0.0.1]")
        # Only that kind is known which would not be agreed on by itself.
        (home / ".ssh/known_hosts").write_text(line(name, host_keys[-1]))
        try:
            yield address
        finally:
            ended.set()


@contextmanager
def server(treat: Callable[[socket.socket], None]) -> Iterator[str]:
    """Treats one who connects; its address."""

    def serve() -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            treat(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"ssh://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(20)
            assert not thread.is_alive()


def until_they_leave(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def speak(text: bytes) -> Callable[[socket.socket], None]:
    def treat(connection: socket.socket) -> None:
        connection.sendall(text)
        connection.recv(65536)

    return treat


@pytest.mark.parametrize(
    "text", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-1.0-old\r\n", b"SSH-2.0-x\r\n", b"\xff\n" * 200]
)
def test_who_speaks_no_ssh_is_unreachable(home: Path, text: bytes) -> None:
    before = threading.enumerate()
    with server(speak(text)) as address:
        with client.connect(address) as nm, pytest.raises(Unreachable) as refused:
            nm.WhoAmI()
        assert "no SSH session with me@127.0.0.1" in str(refused.value)
        assert not refused.value.sent
    ended = time.monotonic() + 20
    while threading.enumerate() != before:
        assert time.monotonic() < ended, threading.enumerate()
        time.sleep(0.01)


def test_who_says_nothing_is_unreachable_after_the_timeout(home: Path) -> None:
    with (
        server(until_they_leave) as address,
        client.connect(address, timeout=0.2) as nm,
        pytest.raises(Unreachable, match=r"not in 0\.2 seconds"),
    ):
        nm.WhoAmI()


@pytest.mark.parametrize(
    ("oddity", "said"),
    [
        ("takes no keys", "takes no keys"),
        ("opens nothing", "no SSH session"),
        ("has no shell", "no SSH session"),
        ("hangs at login", "not in 1 seconds"),
        ("hangs at opening", "not in 1 seconds|timeout opening channel"),
        ("hangs at shell", "not in 1 seconds"),
    ],
)
def test_what_is_odd_before_the_request_was_sent(home: Path, key_file: str, oddity: str, said: str) -> None:
    timeout = 1 if oddity.startswith("hangs") else 75
    with (
        odd_sshd(home, oddity) as address,
        client.connect(address, timeout, key_file) as nm,
        pytest.raises(Unreachable, match=said) as refused,
    ):
        nm.WhoAmI()
    assert not refused.value.sent
    assert refused.value.hint


@pytest.mark.parametrize(
    ("oddity", "answer", "status", "said"),
    [
        ("passes on a half", b"<?xml version='1.0'?><methodResponse>", 5, "could not pass on the whole"),
        ("is killed", b"<?xml version='1.0'?><methodResponse>", None, "ended before the answer"),
    ],
)
def test_what_is_odd_after_the_request_was_sent(
    home: Path, key_file: str, oddity: str, answer: bytes, status: int | None, said: str
) -> None:
    with (
        odd_sshd(home, oddity, answer, status) as address,
        client.connect(address, 75, key_file) as nm,
        pytest.raises(Unreachable, match=said) as lost,
    ):
        nm.WhoAmI()
    assert lost.value.sent
    assert "look what was done" in lost.value.hint


def test_an_answer_larger_than_any_is_cut_off(
    home: Path, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "LARGEST_ANSWER", 1000)
    with (
        odd_sshd(home, "talks", b"x" * 2000, 0) as address,
        client.connect(address, 75, key_file) as nm,
        pytest.raises(Unreachable, match="more than 1000 bytes"),
    ):
        nm.WhoAmI()


def test_nobody_there(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable, match=f"port {port}: connection refused"):
        client.connect(f"ssh://127.0.0.1:{port}").WhoAmI()
    with pytest.raises(Unreachable, match="no host nowhere:"):
        client.connect("ssh://nowhere").WhoAmI()


def children() -> str:
    """The processes that this thread has started, dead ones too."""
    return Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text()


@pytest.mark.parametrize("command", ["false", "/no/such/program", "cat"])
def test_a_proxy_command_that_leads_nowhere(home: Path, command: str) -> None:
    configure(home, f"ProxyCommand {command}\n")
    before = children()
    with client.connect("ssh://host") as nm, pytest.raises(Unreachable, match="no SSH session with me@host"):
        nm.WhoAmI()
    assert children() == before


def test_paramiko_says_nothing_of_its_own(home: Path) -> None:
    """Without a log, its tracebacks would go to standard error."""
    script = (
        "import sys; from nm import client\n"
        "try: client.connect(sys.argv[1]).WhoAmI()\nexcept client.Unreachable: pass"
    )
    with server(speak(b"SSH-2.0-x\r\n\x00\x00\x00\x00nonsense" * 9)) as address:
        command = [sys.executable, "-W", "error", "-c", script, address]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_without_paramiko_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nm.ssh", None)
    monkeypatch.delattr("nm.ssh")
    with pytest.raises(Unreachable, match="with paramiko"):
        client.connect("ssh://host")


def test_paramiko_is_loaded_for_ssh_only() -> None:
    script = "import sys; from nm import client; client.connect('/x'); sys.exit('paramiko' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
