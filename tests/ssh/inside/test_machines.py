"""`ssh SLIVER@HOST` where the sliver is a virtual machine: a session in there, by ssh once more."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ssh import slivers
from tests.ssh.house import House, run

WEB = "princeton_web"
ADDRESS = "10.20.0.11"  # of the sliver of index 1
BYTES = os.urandom(1 << 20)


@pytest.fixture(scope="module", autouse=True)
def guest(house: House) -> Iterator[Path]:
    """The folder of what plays the virtual machine."""
    account = slivers.put(house, WEB, "sliver.QEMU")
    with slivers.machine(house, account, ADDRESS) as folder:
        yield folder


def said(house: House, command: str) -> str:
    done = house.ssh(WEB, command)
    assert (done.returncode, done.stderr) == (0, b""), done
    return done.stdout.decode()


def ssh_of_nm(house: House) -> list[int]:
    """The programs that speak with the machine, by pid."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[0] == b"/usr/bin/ssh" and ADDRESS.encode() in words:
                found.append(int(pid))
    return found


def test_one_is_in_there(house: House) -> None:
    assert said(house, "hostname; id -un") == "machine\nroot\n"
    assert said(house, "echo $SSH_CONNECTION").split()[0::2] == ["10.20.0.1", ADDRESS]
    assert house.ssh(WEB, given=b"hostname\n").stdout.endswith(b"machine\n")


def test_bytes_and_status_pass_as_they_are(house: House) -> None:
    done = house.ssh(WEB, "cat; echo said >&2; exit 7", given=BYTES)
    assert (done.stdout == BYTES, done.stderr, done.returncode) == (True, b"said\n", 7)


@pytest.mark.parametrize("command", ["hostname; :", "\nhostname\n", "'hostname'", "enter || hostname"])
def test_whatever_the_command_is_the_machine_runs_it(house: House, command: str) -> None:
    assert house.ssh(WEB, command).stdout == b"machine\n"


@pytest.mark.parametrize("option", ["-oProxyCommand=touch {}", "-F{}", "-E{}", "-L7700:127.0.0.1:22", "--"])
def test_no_command_is_an_option_of_the_ssh_that_nm_runs(house: House, option: str) -> None:
    """The client is paramiko, which has none itself. The machine's shell takes them for its own."""
    touched = house.folder / "touched"
    with house.connection(WEB) as connection, connection.open_session(timeout=20) as channel:
        channel.exec_command(f"{option.format(touched)}; hostname")
        said = b"".join(iter(lambda: channel.recv(1000), b""))
        assert channel.recv_exit_status() != 255 and b"house\n" not in said
    assert not touched.exists()


def test_there_is_a_terminal_and_no_way_out_of_it(house: House) -> None:
    """The tilde that lets a user of ssh command ssh is passed on as any other letter."""
    with house.connection(WEB) as connection, connection.open_session(timeout=20) as channel:
        channel.settimeout(20)
        channel.get_pty("vt100", 99, 33)
        channel.exec_command("tty >&2; stty size; head -n 2 | tr '~' T; exit 5")
        channel.sendall(b"\r~.\r~C\r")
        text = b"".join(iter(lambda: channel.recv(100), b"")).decode()
        assert "33 99\r\n" in text and "T." in text, text
        assert channel.recv_exit_status() == 5


def test_files_are_copied_from_and_to_the_machine(house: House, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(BYTES)
    options = house.ssh_options(house.key(WEB))
    run("scp", "-q", *options, str(tmp_path / "mine"), f"{WEB}@127.0.0.1:/var/lib/house/there")
    run("scp", "-q", *options, f"{WEB}@127.0.0.1:/var/lib/house/there", str(tmp_path))
    assert (tmp_path / "there").read_bytes() == BYTES


def test_who_speaks_with_the_machine_is_the_account_and_ends_with_its_connection(house: House) -> None:
    """A machine that is hostile meets no program of root's."""
    uid = slivers.record_of(house, WEB)["uid"]
    words = house.ssh_command(WEB, house.key(WEB), "echo in; sleep 4800")
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ssh:
        assert ssh.stdout is not None and ssh.stdout.readline() == b"in\n"
        (pid,) = ssh_of_nm(house)
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        assert status["Uid"].split() == status["Gid"].split() == [str(uid)] * 4
        assert int(status["CapPrm"], 16) == 0 and status["Groups"].strip() == ""
        ssh.kill()
    house.rack.until(lambda: not ssh_of_nm(house))


def test_another_machine_at_its_address_is_not_entered(house: House, guest: Path) -> None:
    """Its key is known before it is first entered."""
    uid = slivers.record_of(house, WEB)["uid"]
    pinned = Path(f"/run/nm/guests/{uid}.known_hosts")
    before = pinned.read_text()
    try:
        pinned.write_text(f"guest {' '.join(house.key('other').public.split()[:2])}\n")
        done = house.ssh(WEB, "hostname")
    finally:
        pinned.write_text(before)
    assert (done.returncode, done.stdout) == (255, b"") and b"host key" in done.stderr.lower()


def test_connections_end_when_it_stops(house: House) -> None:
    words = house.ssh_command(WEB, house.key(WEB), "echo in; sleep 4801")
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ssh:
        assert ssh.stdout is not None and ssh.stdout.readline() == b"in\n"
        slivers.change(house, WEB, _state="stopped", _why="it was stopped by Stop")
        assert ssh.wait(timeout=20) != 0
    done = house.ssh(WEB, "hostname")
    assert (done.returncode, done.stderr) == (
        1,
        b"nm: sliver princeton_web does not run: it was stopped by Stop\n",
    )
    slivers.change(house, WEB, _state="running", _why=None)
    house.rack.until(lambda: house.ssh(WEB, "hostname").stdout == b"machine\n")


def test_one_that_is_made_anew_has_other_keys(house: House) -> None:
    uid = slivers.record_of(house, WEB)["uid"]
    files = [Path(f"/run/nm/guests/{uid}.{ending}") for ending in ("key", "known_hosts")]
    before = [file.read_text() for file in files]
    slivers.change(house, WEB, _life=2)
    house.rack.until(lambda: all(file.read_text() != text for file, text in zip(files, before, strict=True)))
    assert house.ssh(WEB, "hostname").returncode == 255  # the guest has the keys of its last life
    slivers.change(house, WEB, _life=1)
    house.rack.until(lambda: house.ssh(WEB, "hostname").stdout == b"machine\n")
