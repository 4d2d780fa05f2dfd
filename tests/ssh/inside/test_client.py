"""nm.client through a real sshd and the real login shell: calls, lost connections, keys, host keys, leaks."""

import os
import re
import signal
import socket
import subprocess
import threading
import xmlrpc.client
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import paramiko
import pytest

from nm import client
from nm.client import Unreachable
from tests.ssh.house import OTHER_PORT, SHELL, House, Key, run


def connect(house: House, account: str, key: Key | None = None, port: int = 22, **more: Any) -> Any:
    """A proxy for that account, with the key of its name."""
    file = str((key or house.key(account)).file)
    known_hosts = str(house.known_hosts)
    return client.connect(
        f"ssh://{account}@127.0.0.1:{port}", **{"key_file": file, "known_hosts": known_hosts, **more}
    )


def refused(house: House, account: str, **more: Any) -> Unreachable:
    """Why no call of that account was sent."""
    with connect(house, account, **more) as nm, pytest.raises(Unreachable) as why:
        nm.WhoAmI()
    assert not why.value.sent
    assert why.value.hint
    return why.value


def logged(house: House, what: str, account: str) -> int:
    """How often sshd has said so of the account."""
    return house.sshd_log.read_text().count(f"{what} for {account} from")


def logins(house: House, account: str) -> int:
    return logged(house, "Accepted publickey", account)


def sessions(house: House, account: str) -> int:
    return logged(house, "Starting session: forced-command (key-option) 'call'", account)


def children(pid: int) -> Iterator[int]:
    """All that the process has started, and all that those have."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            yield from children(child)
            yield child


def command(pid: int) -> str:
    """The name of what it runs, at most 15 letters; "gone" when it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return "gone"


def signal_connections(house: House, number: signal.Signals) -> None:
    """A signal to the sshd of every connection; the one that listens gets none."""
    assert house._sshd is not None
    for pid in list(children(house._sshd.pid)):
        if command(pid) == "sshd":
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def is_calling() -> bool:
    """Whether a login shell has read its request, and is connected with nm."""
    shells = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if command(pid) in SHELL]
    return any(Path(f"/proc/{pid}/fd/3").is_socket() for pid in shells)


# ---- calls


def test_many_calls_are_sessions_of_one_connection(house: House) -> None:
    house.delegate("many")
    with connect(house, "many") as nm:
        answers = [nm.WhoAmI() for _ in range(30)]
    assert answers == [answers[0]] * 30
    assert answers[0]["name"] == "many"
    house.rack.until(lambda: sessions(house, "many") == 30)
    assert logins(house, "many") == 1


def test_faults_arrive_as_faults(house: House) -> None:
    house.delegate("faulty")
    with connect(house, "faulty") as nm:
        for method, parameters, code in (
            ("Nothing", (), 100),
            ("GetNodes", (), 101),
            ("GetNodes", ("x",), 102),
            ("GetGroups", ({"name": "x" * (1 << 20)},), 102),  # the login shell's own: too long
            ("GetGroups", ({"name": "x" * (1 << 23)},), 102),  # not all of it is sent before it ends
            ("Deploy", ("none-such",), 106),
            ("RegisterVlan", (7,), 108),
        ):
            with pytest.raises(xmlrpc.client.Fault) as fault:
                getattr(nm, method)(*parameters)
            assert fault.value.faultCode == code, fault.value
        assert nm.WhoAmI()["name"] == "faulty"
    assert logins(house, "faulty") == 1


def test_large_answers_and_requests(house: House) -> None:
    house.delegate("large", rights=["spy"])
    names = [f"big{number}" for number in range(80)]
    note = "x <&> \u00e4 " * 2000
    house.rack.call("RegisterSwitch", "big", house.rack.switch_settings("big", names))
    for number, name in enumerate(names):
        nic = {"name": "eth0", "mac": f"52:54:01:00:00:{number:02x}", "switch": "big", "port": name}
        house.rack.call("RegisterPort", "big", name)
        house.rack.call("RegisterNode", name, {"nics": [nic], "metadata": {"note": note}})
    with connect(house, "large") as nm:
        found = nm.GetNodes({"name": names})
        assert len(found) == 80 and {node["metadata"]["note"] for node in found} == {note}
        assert nm.GetNodes({"name": ["x" * 1_000_000]}) == []
    for name in names:
        house.rack.call("UnregisterNode", name)
    house.rack.call("UnregisterSwitch", "big")


def test_a_group_of_one_s_own_and_its_job(house: House) -> None:
    house.delegate("owner", rights=["reserve"])
    with connect(house, "owner") as nm:
        assert nm.CreateGroup("owned", {"nodes": ["n0"]}) == 1
        assert nm.WaitJob(nm.Deploy("owned"), 30)["state"] == "done"
        assert nm.WaitJob(nm.DestroyGroup("owned"), 30)["state"] == "done"
    assert house.rack.call("GetGroups", {"name": "owned"}) == []


def test_a_proxy_a_thread(house: House) -> None:
    house.delegate("threads")
    names: list[str] = []

    def work() -> None:
        with connect(house, "threads") as nm:
            names.extend(nm.WhoAmI()["name"] for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert names == ["threads"] * 20


def test_without_a_daemon_the_login_shell_answers(house: House) -> None:
    house.delegate("alone")
    house.rack.stop()
    try:
        with connect(house, "alone") as nm, pytest.raises(xmlrpc.client.Fault, match="nm takes no calls now"):
            nm.WhoAmI()
    finally:
        house.rack.start()


# ---- connections that die


def test_a_connection_that_died_while_idle_is_made_anew(house: House) -> None:
    house.delegate("idle")
    with connect(house, "idle") as nm:
        for _ in range(3):
            assert nm.WhoAmI()["name"] == "idle"
            signal_connections(house, signal.SIGKILL)
    assert logins(house, "idle") == 3
    house.rack.until(lambda: sessions(house, "idle") == 3)


def test_a_connection_that_hangs_while_idle_is_made_anew(house: House) -> None:
    house.delegate("hung")
    with connect(house, "hung") as nm:
        nm.WhoAmI()
        nm("transport")._link._connection._seconds = 0.2
        signal_connections(house, signal.SIGSTOP)
        assert nm.WhoAmI()["name"] == "hung"
        signal_connections(house, signal.SIGKILL)
    assert logins(house, "hung") == 2


def test_a_call_whose_connection_dies_is_not_repeated(house: House) -> None:
    house.delegate("broken", rights=["reserve"])
    with connect(house, "broken") as nm:
        nm.CreateGroup("halted", {"nodes": ["n1"]})
        for switch in house.rack.switches:
            house.rack.set_faults(switch, down=True)
        job = nm.Deploy("halted")
        calls = sessions(house, "broken")
        house.rack.until(lambda: not is_calling())
        killer = threading.Thread(target=kill_when_called, args=[house])
        killer.start()
        with pytest.raises(Unreachable) as lost:
            nm.WaitJob(job, 60)
        killer.join()
        assert lost.value.sent
        assert "look what was done" in lost.value.hint
        house.rack.until(lambda: sessions(house, "broken") == calls + 1)
        for switch in house.rack.switches:
            house.rack.set_faults(switch)
        assert nm.WaitJob(job, 50)["state"] == "done"
        assert nm.WaitJob(nm.DestroyGroup("halted"), 50)["state"] == "done"
    assert logins(house, "broken") == 2


def kill_when_called(house: House) -> None:
    house.rack.until(is_calling)
    signal_connections(house, signal.SIGKILL)


def test_an_answer_that_does_not_come_in_time(house: House) -> None:
    house.delegate("late", rights=["reserve"])
    with connect(house, "late") as nm:
        nm.CreateGroup("lateness", {"nodes": ["n2"]})
        for switch in house.rack.switches:
            house.rack.set_faults(switch, down=True)
        job = nm.Deploy("lateness")
        nm("transport")._link._timeout = 0.2
        with pytest.raises(Unreachable, match="no answer in 0") as late:
            nm.WaitJob(job, 60)
        assert late.value.sent
        for switch in house.rack.switches:
            house.rack.set_faults(switch)
        nm("transport")._link._timeout = 60
        assert nm.WaitJob(nm.DestroyGroup("lateness"), 50)["state"] == "done"


def test_without_sshd(house: House) -> None:
    house.delegate("outside")
    with connect(house, "outside") as nm:
        nm.WhoAmI()
        signal_connections(house, signal.SIGKILL)
        house.stop_sshd()
        with pytest.raises(Unreachable, match="connection refused") as gone:
            nm.WhoAmI()
        assert not gone.value.sent
        house.start_sshd()
        assert nm.WhoAmI()["name"] == "outside"


# ---- who answers there


@pytest.mark.parametrize(
    ("name", "uid", "shell", "said"),
    [
        ("bash", 3101, "/bin/sh", "exit status [1-9].*(rror|not found)"),
        ("nologin", 3102, "/usr/sbin/nologin", "not available"),
        ("silent", 3103, "/bin/false", "exit status 1, and it says: nothing"),
        ("happy", 3104, "/bin/true", "exit status 0, and it says: nothing"),
    ],
)
def test_who_is_no_nm(house: House, name: str, uid: int, shell: str, said: str) -> None:
    house.user(name, uid, shell)
    why = refused(house, name)
    assert f"what answers as {name}@127.0.0.1 is no nm" in why.message
    assert re.search(said, why.message)
    assert "forward_api_calls" in why.hint


def test_a_flood_instead_of_an_answer_is_quoted_in_short(house: House) -> None:
    house.user("flood", 3105, options="command=\"head -c 5000000 /dev/zero | tr '\\\\0' x; exit 9\"")
    why = refused(house, "flood")
    assert "exit status 9" in why.message
    assert len(why.message) < 600


# ---- host keys


def test_an_unknown_host_key_is_refused_and_not_remembered(house: House, tmp_path: Path) -> None:
    house.delegate("careful")
    (tmp_path / "known").touch()
    why = refused(house, "careful", known_hosts=str(tmp_path / "known"))
    print_ = subprocess.check_output(["ssh-keygen", "-lf", house.key("host").file], text=True).split()[1]
    assert print_ in why.message
    assert str(tmp_path / "known") in why.message
    assert "`ssh-keyscan 127.0.0.1`" in why.hint
    assert (tmp_path / "known").read_text() == ""
    assert logins(house, "careful") == 0


def test_a_changed_host_key_is_refused(house: House, tmp_path: Path) -> None:
    house.delegate("warned")
    other = " ".join(house.key("other host").public.split()[:2])
    (tmp_path / "known").write_text(f"127.0.0.1 {other}\n")
    why = refused(house, "warned", known_hosts=str(tmp_path / "known"))
    assert "but another one is known" in why.message
    assert "ssh-keygen -R '127.0.0.1'" in why.hint
    assert logins(house, "warned") == 0


def test_what_ssh_keygen_hashes_is_known(house: House, tmp_path: Path) -> None:
    house.delegate("hashing")
    known = tmp_path / "known"
    known.write_text(house.known_hosts.read_text())
    run("ssh-keygen", "-q", "-H", "-f", str(known))
    assert "127.0.0.1" not in known.read_text()
    for port in (22, OTHER_PORT):
        with connect(house, "hashing", port=port, known_hosts=str(known)) as nm:
            assert nm.WhoAmI()["name"] == "hashing"


# ---- keys


def copy_of(key: Key, folder: Path, passphrase: str = "") -> Path:
    """The private key alone, perhaps behind a passphrase."""
    file = folder / "key"
    file.write_bytes(key.file.read_bytes())
    file.chmod(0o600)
    if passphrase:
        run("ssh-keygen", "-q", "-p", "-P", "", "-N", passphrase, "-f", str(file))
    return file


def test_keys_that_do_not_open(house: House, tmp_path: Path) -> None:
    house.delegate("locked")
    (tmp_path / "garbage").write_text("nonsense")
    stranger = house.key("stranger")
    why = refused(house, "locked", key=stranger)
    assert f"locked@127.0.0.1 takes none of our keys (tried: {stranger.file})" in why.message
    assert "nmctl --identity" in why.hint
    behind = copy_of(house.key("locked"), tmp_path, "sesame")
    assert (
        f"has a passphrase: give it to the agent by `ssh-add {behind}`"
        in refused(house, "locked", key_file=str(behind)).hint
    )
    assert "there is no" in refused(house, "locked", key_file=str(tmp_path / "none")).hint
    assert "no private key" in refused(house, "locked", key_file=str(tmp_path / "garbage")).hint
    assert logins(house, "locked") == 0


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_other_kinds_of_keys(house: House, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "key"
    run("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(file))
    key = Key(file, file.with_name("key.pub").read_text().strip())
    house.delegate(f"with-{kind}", key)
    with connect(house, f"with-{kind}", key) as nm:
        assert nm.WhoAmI()["name"] == f"with-{kind}"


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, house: House) -> Iterator[None]:
    """An agent without keys."""
    path = str(tmp_path / "agent")
    with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL) as process:
        try:
            house.rack.until(lambda: takes_callers(path))
            monkeypatch.setenv("SSH_AUTH_SOCK", path)
            yield
        finally:
            process.terminate()


def takes_callers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as caller:
        return caller.connect_ex(path) == 0


def test_the_agent_holds_the_key(house: House, agent: None) -> None:
    house.delegate("trusting")
    assert "wants a key" in refused(house, "trusting", key_file=None).message
    run("ssh-add", "-q", str(house.key("trusting").file))
    with connect(house, "trusting", key_file=None) as nm:
        assert nm.WhoAmI()["name"] == "trusting"
    other = house.key("another")
    assert f"(tried: {other.file})" in refused(house, "trusting", key=other).message


def test_the_agent_opens_what_has_a_passphrase(house: House, agent: None, tmp_path: Path) -> None:
    """And of many keys only the named one is offered: sshd would end it after six."""
    key = house.key("phrase")
    house.delegate("phrase", key)
    for number in range(7):
        run("ssh-add", "-q", str(house.key(f"agent's {number}").file))
    run("ssh-add", "-q", str(key.file))
    behind = copy_of(key, tmp_path, "sesame")
    behind.with_suffix(".pub").write_text(key.public)
    with connect(house, "phrase", key_file=str(behind)) as nm:
        assert nm.WhoAmI()["name"] == "phrase"
    why = refused(house, "phrase", key_file=None)
    assert "ended the login (tried: agent's 0 of the agent" in why.message


# ---- OpenSSH's configuration


@pytest.fixture
def configuration() -> Iterator[Path]:
    """The file of root's in the house."""
    folder = Path.home() / ".ssh"
    folder.mkdir(exist_ok=True, mode=0o700)
    file = folder / "config"
    yield file
    file.unlink()


def test_a_host_of_the_configuration(house: House, configuration: Path) -> None:
    house.delegate("site-user")
    configuration.write_text(
        f"Host site\nHostName 127.0.0.1\nPort {OTHER_PORT}\nUser site-user\n"
        f"IdentityFile {house.key('site-user').file}\nUserKnownHostsFile {house.known_hosts}\n"
    )
    nm: Any
    with client.connect("ssh://site") as nm:
        assert nm.WhoAmI()["name"] == "site-user"


def test_a_jump_over_another_machine(house: House, configuration: Path) -> None:
    house.delegate("behind")
    house.user("gate", 3106)
    settings = f"IdentityFile {house.key('gate').file}\nUserKnownHostsFile {house.known_hosts}\n"
    configuration.write_text(
        f"Host gate\nHostName 127.0.0.1\nUser gate\n{settings}"
        "Host behind\nHostName localhost\nProxyJump gate\n"
    )
    file = str(house.key("behind").file)
    nm: Any
    with client.connect("ssh://behind@behind", 75, file, str(house.known_hosts)) as nm:
        assert [nm.WhoAmI()["name"] for _ in range(3)] == ["behind"] * 3
        assert logins(house, "gate") == 1
    assert "ssh" not in map(command, children(os.getpid()))


# ---- nothing is left


def held() -> tuple[int, int]:
    """How many descriptors and threads this process has."""
    return len(os.listdir("/proc/self/fd")), threading.active_count()


def settled(house: House, descriptors: int, threads: int) -> None:
    """Wait until there are no more than these; nm itself, in this process, may still end a connection."""
    house.rack.until(lambda: held()[0] <= descriptors and held()[1] <= threads)


def test_nothing_is_left_of_calls_and_connections(house: House) -> None:
    house.delegate("tidy")
    stranger = house.key("stranger")
    with connect(house, "tidy") as nm:
        nm.WhoAmI()
        before = held()
        for _ in range(300):
            nm.WhoAmI()
        settled(house, *before)
    assert not [thread for thread in threading.enumerate() if isinstance(thread, paramiko.Transport)]
    settled(house, before[0] - 1, before[1] - 1)
    for _ in range(20):
        with connect(house, "tidy") as nm:
            nm.WhoAmI()
    for _ in range(5):
        refused(house, "tidy", key=stranger)
    settled(house, before[0] - 1, before[1] - 1)
    assert logins(house, "tidy") == 21
