"""`ssh SLIVER@HOST` where the sliver is a container: a session in there, and nothing of this machine."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from tests.accounts.logins import next_tick
from tests.ssh import slivers
from tests.ssh.house import ENTER, House, run

WEB, SAFE = "princeton_web", "mit_safe"
BYTES = os.urandom(1 << 20)
NAMES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")


@pytest.fixture(scope="module", autouse=True)
def first(house: House) -> Iterator[int]:
    """The first process of the container of WEB."""
    house.user("free", 3100)
    account = slivers.put(house, WEB, "sliver.LXC")
    with slivers.container(house, account["account"], "web") as pid:
        yield pid


@pytest.fixture
def uid(house: House) -> int:
    return int(slivers.record_of(house, WEB)["uid"])


def said(house: House, command: str, name: str = WEB, check: bool = True) -> str:
    done = house.ssh(name, command)
    assert not check or (done.returncode, done.stderr) == (0, b""), done
    return done.stdout.decode()


@contextlib.contextmanager
def at_a_terminal(house: House, width: int = 80, height: int = 24) -> Iterator[paramiko.Channel]:
    with house.connection(WEB) as connection, connection.open_session(timeout=20) as channel:
        channel.settimeout(20)
        channel.get_pty("vt100", width, height)
        channel.invoke_shell()
        yield channel


def read_until(channel: paramiko.Channel, words: str) -> str:
    text = ""
    while words not in text:
        more = channel.recv(1 << 16)
        assert more, text
        text += more.decode(errors="replace")
    return text


# ---- a session


def test_one_is_root_in_there(house: House) -> None:
    assert said(house, "hostname; id -un; pwd; cat /etc/marker") == "web\nroot\n/root\nguest web\n"


def test_bytes_and_status_pass_as_they_are(house: House) -> None:
    done = house.ssh(WEB, "cat; echo said >&2; exit 7", given=BYTES)
    assert (done.stdout == BYTES, done.stderr, done.returncode) == (True, b"said\n", 7)
    assert house.ssh(WEB, "kill -KILL $$").returncode == 128 + 9


def test_without_a_command_there_is_a_login_shell(house: House) -> None:
    assert house.ssh(WEB, given=b"hostname; shopt -q login_shell && echo login\n").stdout == b"web\nlogin\n"


def test_a_terminal_is_the_containers_own(house: House) -> None:
    with at_a_terminal(house, 99, 33) as channel:
        channel.sendall(b"PS1=; stty -echo; tty; stty size; echo $TERM; echo do''ne\n")
        text = read_until(channel, "done\r\n")
        assert "/dev/pts/0\r\n33 99\r\nvt100\r\n" in text
        channel.resize_pty(120, 40)
        channel.sendall(b"until [ \"$(stty size)\" = '40 120' ]; do sleep 0.1; done; echo re''sized\n")
        read_until(channel, "resized\r\n")
        channel.sendall(b"exit 5\n")
        assert channel.recv_exit_status() == 5


def test_ctrl_c_ends_what_runs_there_and_not_the_session(house: House) -> None:
    with at_a_terminal(house) as channel:
        channel.sendall(b"PS1=; stty -echo; echo ready; sleep 4711; echo st''atus $?\n")
        read_until(channel, "ready\r\n")
        house.rack.until(lambda: slivers.running("sleep 4711") != [])
        channel.sendall(b"\x03")
        channel.sendall(b"echo st''atus $?\n")
        read_until(channel, "status 130\r\n")


def test_much_passes_through_a_terminal(house: House) -> None:
    """Both ways at once, more than any buffer holds."""
    with at_a_terminal(house) as channel:
        channel.sendall(b"PS1=; stty raw -echo; echo ready; head -c 300000 | tr a b; echo over\n")
        read_until(channel, "ready\n")
        channel.sendall(b"a" * 300_000)
        assert read_until(channel, "over\n").count("b") == 300_000


@pytest.mark.parametrize("size", [30_000, 40_000, 45_000])
def test_what_was_said_last_comes_through_a_slow_terminal(house: House, size: int) -> None:
    """The session is over, and its last words are still on their way, when the client begins to read."""
    with house.connection(WEB) as connection, connection.open_session(1 << 15, timeout=20) as channel:
        channel.settimeout(20)
        channel.get_pty("vt100")
        channel.exec_command(f"head -c {size} /dev/zero | tr '\\0' a; echo $$ >/run/said; exec sleep 0.2")
        house.rack.until(lambda: said(house, "cat /run/said; rm -f /run/said", check=False) != "")
        said(house, "while pgrep -x sleep -a | grep -q 0.2; do sleep 0.05; done")
        text = b"".join(iter(lambda: channel.recv(1000), b""))
    assert text.count(b"a") == size


def test_files_are_copied_from_and_to_the_container(house: House, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(BYTES)
    options = house.ssh_options(house.key(WEB))
    run("scp", "-q", *options, str(tmp_path / "mine"), f"{WEB}@127.0.0.1:/root/mine")
    run("scp", "-q", *options, f"{WEB}@127.0.0.1:/etc/marker", f"{WEB}@127.0.0.1:mine", str(tmp_path))
    assert (tmp_path / "marker").read_text() == "guest web\n"
    assert (tmp_path / "mine").read_bytes() == BYTES
    assert said(house, "stat -c %s mine; rm mine") == f"{len(BYTES)}\n"


# ---- nothing of this machine


@pytest.mark.parametrize(
    "command",
    [
        "hostname", "hostname; :", "\n hostname \n", "'hostname'", '"hostname"', "$(echo hostname)",
        "x=`hostname`; echo $x", "exec hostname", "hostname # ü \\",
        "enter || hostname", "x() { :; }; hostname", "cd /; hostname",
    ],
)  # fmt: skip
def test_whatever_the_command_is_the_container_runs_it(house: House, command: str) -> None:
    assert house.ssh(WEB, command).stdout == b"web\n"


def test_what_its_shell_does_not_like_its_shell_says(house: House) -> None:
    """sudo would have left out a variable that begins so."""
    done = house.ssh(WEB, "() { :; }; hostname")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"/bin/bash: -c: line 1: syntax error")


def test_a_long_command_passes_and_a_longer_one_runs_nowhere(house: House) -> None:
    assert said(house, f"hostname; : {'x' * 100_000}") == "web\n"
    with house.connection(WEB) as connection, connection.open_session(timeout=20) as channel:
        channel.exec_command(f"hostname; : {'x' * 140_000}")
        assert (channel.recv(100), channel.recv_exit_status() != 0) == (b"", True)


def test_no_variable_of_the_client_comes_along_but_of_language(house: House) -> None:
    hostile = {
        "LD_PRELOAD": "/root/x.so", "SUDO_UID": "0", "SUDO_COMMAND": "x", "PYTHONPATH": "/", "BASH_ENV": "/x",
        "PATH": "/root", "SHELLOPTS": "xtrace", "LC_PAPER": "a; id", "LANG": "C.UTF-8", "LC_ALL": "C",
    }  # fmt: skip
    house.stop_sshd()
    house.start_sshd("AcceptEnv *")
    settings = [f'{name}="{value}"' for name, value in hostile.items()]
    options = [f"-oSetEnv={' '.join(settings)}"]
    try:
        done = house.ssh(WEB, "env; hostname", options=options)
    finally:
        house.stop_sshd()
        house.start_sshd()
    found = dict(line.split("=", 1) for line in done.stdout.decode().splitlines() if "=" in line)
    expected = {
        "HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash", "LANG": "C.UTF-8",
        "LC_ALL": "C",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }  # fmt: skip
    assert {name: found[name] for name in found if name not in ("_", "PWD", "SHLVL")} == expected
    assert done.stdout.endswith(b"web\n")


def test_internal_sftp_is_the_containers_too(house: House, tmp_path: Path) -> None:
    """It would be served on this machine, without any shell."""
    with house.another_sshd(sftp="internal-sftp"):
        run("scp", "-q", *house.ssh_options(house.key(WEB)), f"{WEB}@127.0.0.1:/etc/marker", str(tmp_path))
    assert (tmp_path / "marker").read_text() == "guest web\n"


def test_nothing_is_forwarded(house: House) -> None:
    """As "free" it is, by the same sshd."""
    here, back = ("127.0.0.1", 812), ("127.0.0.1", 0)
    with house.connection("free") as connection:
        connection.open_channel("direct-tcpip", here, back).close()
        connection.cancel_port_forward("127.0.0.1", connection.request_port_forward("127.0.0.1", 0))
    with house.connection(WEB) as connection:
        with pytest.raises(paramiko.ChannelException):
            connection.open_channel("direct-tcpip", here, back)
        with pytest.raises(paramiko.SSHException):
            connection.request_port_forward("127.0.0.1", 0)
    assert said(house, "env | grep -c -e SSH_AUTH_SOCK -e DISPLAY || true") == "0\n"


def test_it_has_the_rights_and_the_places_of_the_first_process(house: House, first: int) -> None:
    wanted = [os.readlink(f"/proc/{first}/ns/{name}") for name in NAMES]
    there = said(house, "; ".join(f"readlink /proc/self/ns/{name}" for name in NAMES)).split()
    assert there == wanted
    assert os.readlink("/proc/self/ns/pid") not in there
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{first}/status").read_text().splitlines())
    bounds = int(status["CapBnd"], 16)
    found = dict(line.split(":\t", 1) for line in said(house, "cat /proc/self/status").splitlines())
    assert int(found["CapBnd"], 16) == int(found["CapPrm"], 16) == int(found["CapEff"], 16) == bounds
    assert int(found["CapInh"], 16) == int(found["CapAmb"], 16) == 0
    mine = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
    assert bounds != int(mine["CapBnd"], 16), "the container has all rights: nothing was shown"
    assert said(house, "mknod /root/sda b 8 0 2>&1 || true").endswith("Operation not permitted\n")


def test_it_sees_nothing_of_those_who_led_there(house: House) -> None:
    seen = said(house, "cat /proc/[0-9]*/comm; ls -l /proc/self/fd | grep -v -e ' [012] -> ' -e /proc")
    assert {"sleep", "cat", "bash"} >= {*seen.splitlines()} - {"total 0"}, seen


# ---- its end


def test_a_connection_that_ends_takes_its_session_along(house: House) -> None:
    words = house.ssh_command(WEB, house.key(WEB), "trap '' HUP TERM; echo in; sleep 4712 & sleep 4713")
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ssh:
        assert ssh.stdout is not None and ssh.stdout.readline() == b"in\n"
        house.rack.until(lambda: bool(slivers.running("sleep 4713")) and bool(slivers.running(ENTER)))
        ssh.kill()
    left = ("sleep 4712", "sleep 4713", ENTER)
    house.rack.until(lambda: not any(map(slivers.running, left)))


def test_a_terminal_that_ends_takes_its_session_along(house: House) -> None:
    with at_a_terminal(house) as channel:
        channel.sendall(b"sleep 4714\n")
        house.rack.until(lambda: slivers.running("sleep 4714") != [])
    house.rack.until(lambda: not slivers.running("sleep 4714") and not slivers.running(ENTER))


def test_who_is_done_leaves_at_once_though_something_goes_on(house: House) -> None:
    """As with any sshd: what lets go of the connection may go on."""
    assert said(house, "sleep 4715 </dev/null >/dev/null 2>&1 & echo done") == "done\n"
    assert len(slivers.running("sleep 4715")) == 1
    said(house, "pkill -f 'sleep 4715'")


def test_connections_end_when_the_key_goes(house: House) -> None:
    account = slivers.put(house, SAFE, "sliver.LXC")
    with slivers.container(house, account["account"], "safe"):
        words = house.ssh_command(SAFE, house.key(SAFE), "echo in; sleep 4716")
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ssh:
            assert ssh.stdout is not None and ssh.stdout.readline() == b"in\n"
            next_tick()
            slivers.change(house, SAFE, keys=[house.key("other").public])
            assert ssh.wait(timeout=20) == 255
        house.rack.until(lambda: not slivers.running("sleep 4716"))
        assert house.ssh(SAFE, "hostname").returncode == 255
        assert house.ssh(SAFE, "hostname", key=house.key("other")).stdout == b"safe\n"
        slivers.change(house, SAFE, keys=[house.key(SAFE).public])
        house.rack.until(lambda: house.ssh(SAFE, "hostname").stdout == b"safe\n")
        slivers.change(house, SAFE, _gone={"since": 1, "until": 2, "why": "its source lists it no more"})
        house.rack.until(lambda: house.ssh(SAFE, "hostname").returncode == 255)
        assert slivers.record_of(house, SAFE)["_made"]


def test_who_has_no_guest_is_told_why(house: House) -> None:
    account = slivers.put(house, "idle", "sliver.LXC", _state="stopped", _why="enabled is 0")
    for words in ((), ("hostname",), ("internal-sftp",)):
        done = house.ssh("idle", *words)
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr == b"nm: sliver idle does not run: enabled is 0\n"
    slivers.change(house, "idle", _state="running", _why=None)
    file = Path(f"/run/nm/guests/{account['uid']}.json")
    house.rack.until(lambda: json.loads(file.read_text())["running"])
    done = house.ssh("idle", "hostname")
    assert (done.returncode, done.stderr) == (
        126,
        b"nm: this guest cannot be entered: its container is not there\n",
    )
    slivers.recall(house, "idle")
    assert not file.exists()
    assert house.ssh("idle", "hostname").returncode == 255


def test_it_works_while_nm_does_not(house: House) -> None:
    house.rack.stop()
    try:
        assert said(house, "hostname") == "web\n"
    finally:
        house.rack.start()


def test_after_a_reboot_accounts_lead_to_their_guests_again(house: House, uid: int) -> None:
    house.rack.stop()
    for file in Path("/run/nm/guests").iterdir():
        file.unlink()
    done = house.ssh(WEB, "hostname")
    assert (done.returncode, done.stderr) == (126, b"nm: no guest belongs to this account\n")
    house.rack.start()
    house.rack.until(lambda: house.ssh(WEB, "hostname").stdout == b"web\n")


# ---- by whom


def as_account(uid: int, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run something as the account, on this machine: nobody can, but if somebody could."""
    drop = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--init-groups"]
    return subprocess.run(
        [*drop, *words], env=environment, cwd="/", capture_output=True, text=True, check=False
    )


def test_an_account_is_root_for_its_own_guest_only(house: House, uid: int) -> None:
    sudo = ("/usr/bin/sudo", "-n")
    assert as_account(uid, *sudo, "--", ENTER, "-c", "hostname").stdout == "web\n"
    other = slivers.put(house, "elsewhere", "sliver.LXC")["uid"]
    assert as_account(uid, *sudo, "--", ENTER, "-c", "hostname", SUDO_UID=str(other)).stdout == "web\n"
    for words in (
        ("id",), ("-s",), ("-i",), ("-u", "nobody", ENTER), ("-g", "shadow", ENTER), ("-E", ENTER),
        ("LD_PRELOAD=/x", ENTER), ("-D", "/root", ENTER), ("-C", "10", ENTER), (f"{ENTER}x",), ("-e", ENTER),
    ):  # fmt: skip
        done = as_account(uid, *sudo, *words)
        assert done.returncode != 0 and done.stdout == "", words


def test_nobody_else_may_run_what_enters(house: House) -> None:
    delegate = house.delegate("snoop")
    number = house.rack.call("GetDelegates", {"name": delegate})[0]["uid"]
    for uid in (3100, int(number)):
        done = as_account(uid, "/usr/bin/sudo", "-n", "--", ENTER, "-c", "hostname")
        assert done.returncode != 0 and done.stdout == ""
    done = subprocess.run(
        [ENTER, "-c", "id"], capture_output=True, text=True, check=False
    )  # root, without sudo
    assert (done.returncode, done.stderr) == (
        126,
        "nm: this is for login shells of slivers' accounts, by sudo\n",
    )


def test_commands_are_in_no_log_of_sudos(house: House) -> None:
    Path("/etc/sudoers.d/log").write_text("Defaults logfile=/var/log/sudo.log\n")
    try:
        said(house, "echo S3cr3t")
        log = Path("/var/log/sudo.log")
        assert not log.exists() or "S3cr3t" not in log.read_text()
    finally:
        Path("/etc/sudoers.d/log").unlink()


def test_a_container_with_users_of_its_own_is_entered_as_its_root(house: House) -> None:
    account = slivers.put(house, "mapped", "sliver.LXC")
    with slivers.container(house, account["account"], "mapped", users=True) as pid:
        assert said(house, "hostname; id -u; readlink /proc/self/ns/user", "mapped").split() == [
            "mapped", "0", os.readlink(f"/proc/{pid}/ns/user"),
        ]  # fmt: skip
