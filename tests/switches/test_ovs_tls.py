"""Open vSwitch over TLS: a real ovsdb-server behind certificates, and all that can be wrong with these."""

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from nm.errors import DeviceFailed
from nm.switch import PortState
from nm.switches.ovs import OpenVSwitch
from nm.switches.ovsdb import Client
from tests.switches.benches import EPOCH, OvsBench, done, executor_of, join, leave
from tests.switches.certificates import DAY, Authority, private
from tests.switches.ovs_rack import OvsRack, missing

pytestmark = pytest.mark.real
HOST = "127.0.0.1"
ECHO = [{"op": "comment", "comment": "here"}]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, host: str = HOST) -> None:
    """Until somebody listens there."""
    deadline = time.monotonic() + 20
    while True:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            if probe.connect_ex((host, port)) == 0:
                return
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Guarded:
    """ovsdb-servers that let in whom an authority vouches for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority()
        self.good = self.listener("good", *self.authority.issue("sw0"))
        self.plain = free_port()
        self.rack = OvsRack(*self.good[1], f"--remote=ptcp:{self.plain}:{HOST}")

    def listener(self, name: str, certificate: str, key: str, host: str = HOST) -> tuple[int, list[str]]:
        """Port and options of one that shows that certificate."""
        files = {
            "certificate": certificate,
            "private-key": key,
            "ca-cert": self.authority.text,
        }
        options = []
        for option, text in files.items():
            path = self.folder / f"{name}.{option}"
            path.write_text(text)
            path.chmod(0o600)
            options.append(f"--{option}={path}")
        port = free_port()
        shown = f"[{host}]" if ":" in host else host
        return port, [*options, f"--remote=pssl:{port}:{shown}"]

    def another(self, name: str, *addresses: str, host: str = HOST, lasts: object = DAY) -> int:
        """The port of one more, whose certificate is for those addresses."""
        issued = self.authority.issue(name, *addresses, lasts=lasts)  # type: ignore[arg-type]
        port, options = self.listener(name, *issued, host=host)
        self.rack.listen(*options)
        wait_for(port, host)
        return port


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    if problem := missing():
        pytest.skip(problem)
    guarded = Guarded(tmp_path_factory.mktemp("tls"))
    with guarded.rack:
        yield guarded


@pytest.fixture
def bench(guarded: Guarded) -> Iterator[OvsBench]:
    """A bridge that is driven over TLS."""
    found = OvsBench(guarded.rack)
    found.record = {
        **found.record,
        "address": f"ssl:{HOST}:{guarded.good[0]}",
        "secrets": guarded.authority.secrets(),  # executor_of takes a secret's name for the secret
    }
    found.executor = executor_of(**found.record)
    yield found
    found.executor.close()
    guarded.rack.vsctl("--if-exists", "del-br", found.bridge)


def ask(address: str, secrets: Mapping[str, str], timeout: float = 5) -> DeviceFailed | None:
    """How a first request fails. Nothing of the key is ever told."""
    client = Client("switch s", address, timeout, secrets)
    try:
        client.transact(ECHO)
    except DeviceFailed as failure:
        for line in secrets.get("key", "").splitlines():
            assert "-----" in line or line not in repr(failure)
        return failure
    finally:
        client.close()
    return None


def failure(address: str, secrets: Mapping[str, str], timeout: float = 5) -> DeviceFailed:
    found = ask(address, secrets, timeout)
    assert found is not None
    return found


def test_a_switch_is_driven_over_tls(bench: OvsBench) -> None:
    a, b, c, *_ = bench.ports
    assert set(bench.executor.isolate(bench.ports, EPOCH).values()) == {PortState()}
    done(bench, join(a, 101), join(b, 101), join(c, 102))
    assert bench.reaches(a) == {b}
    done(bench, leave(a))
    assert bench.table()[a] == PortState()


def test_a_connection_is_kept_and_one_that_was_dropped_is_made_anew(guarded: Guarded) -> None:
    port, options = guarded.listener("kept", *guarded.authority.issue("kept"))
    server = guarded.rack.listen(*options)
    wait_for(port)
    client = Client("switch s", f"ssl:{HOST}:{port}", 5, guarded.authority.secrets())
    client.transact(ECHO)
    client.transact(ECHO)
    server.kill()
    server.wait(10)
    guarded.rack.listen(*options)
    wait_for(port)
    client.transact(ECHO)  # what was dropped while idle is no failure
    client.close()


def test_the_server_must_be_vouched_for_by_our_authority(guarded: Guarded) -> None:
    address = f"ssl:{HOST}:{guarded.good[0]}"
    found = failure(address, {**guarded.authority.secrets(), "ca": Authority("other").text})
    assert "its certificate is not good: unable to get local issuer certificate" in found.message or (
        "its certificate is not good: self-signed certificate in certificate chain" in found.message
    )
    assert address in found.message
    assert not found.passing


def test_an_expired_certificate_is_not_good(guarded: Guarded) -> None:
    port = guarded.another("expired", lasts=-DAY)
    found = failure(f"ssl:{HOST}:{port}", guarded.authority.secrets())
    assert "its certificate is not good: certificate has expired" in found.message
    assert not found.passing


def test_a_certificate_that_names_addresses_is_for_these(guarded: Guarded) -> None:
    secrets = guarded.authority.secrets()
    elsewhere = guarded.another("elsewhere", "192.0.2.1", "2001:db8::1")
    found = failure(f"ssl:{HOST}:{elsewhere}", secrets)
    assert f"the certificate at {HOST} is for 192.0.2.1, 2001:" in found.message
    assert not found.passing
    assert ask(f"ssl:{HOST}:{guarded.another('here', '192.0.2.1', HOST)}", secrets) is None
    six = guarded.another("six", "::1", host="::1")
    assert ask(f"ssl:[::1]:{six}", secrets) is None


def test_a_client_that_nobody_vouches_for_is_not_let_in(guarded: Guarded) -> None:
    stranger = {**Authority("other").secrets(), "ca": guarded.authority.text}
    found = failure(f"ssl:{HOST}:{guarded.good[0]}", stranger)
    assert "cannot be reached" in found.message or "alert" in found.message
    assert "trusts the authority of our certificate" in found.hint or not found.passing


@pytest.mark.parametrize("absent", ["ca", "certificate", "key"])
def test_each_secret_is_needed(absent: str) -> None:
    secrets = Authority().secrets()
    del secrets[absent]
    with contextlib.closing(socket.create_server((HOST, 0))) as listener:
        found = failure(f"ssl:{HOST}:{listener.getsockname()[1]}", secrets)
    assert f"no secrets.{absent}" in found.message
    assert not found.passing


def test_secrets_that_cannot_be_used_are_named() -> None:
    good, other = Authority().secrets(), Authority().secrets()
    locked = private(ec.generate_private_key(ec.SECP256R1()), b"passphrase")
    wrong = {
        "ca": [{"ca": "no certificate"}, {"ca": ""}, {"ca": good["key"]}],
        "certificate": [
            {"certificate": "no certificate"},
            {"key": other["key"]},
            {"key": "no key"},
            {"key": locked},
        ],
    }
    with contextlib.closing(socket.create_server((HOST, 0))) as listener:
        address = f"ssl:{HOST}:{listener.getsockname()[1]}"
        for name, changes in wrong.items():
            for change in changes:
                found = failure(address, {**good, **change})
                assert f"its secret `{name}` is no" in found.message
                assert not found.passing


def test_tls_to_a_server_without_and_the_other_way_round(guarded: Guarded) -> None:
    found = failure(f"ssl:{HOST}:{guarded.plain}", guarded.authority.secrets())
    assert "does not speak TLS" in found.message or "with TLS" in found.hint
    found = failure(f"tcp:{HOST}:{guarded.good[0]}", {})
    assert "closed the connection" in found.message
    assert "without TLS" in found.hint


def test_a_server_that_hangs_in_the_handshake_is_not_waited_for(guarded: Guarded) -> None:
    with contextlib.closing(socket.create_server((HOST, 0))) as listener:
        begin = time.monotonic()
        found = failure(f"ssl:{HOST}:{listener.getsockname()[1]}", guarded.authority.secrets(), 0.3)
    assert 0.3 <= time.monotonic() - begin < 3
    assert "no answer within 0.3 s" in found.message
    assert found.passing


def test_a_server_that_ends_in_the_handshake_may_come_back(guarded: Guarded) -> None:
    with contextlib.closing(socket.create_server((HOST, 0))) as listener:

        def hang_up() -> None:
            connection, _ = listener.accept()
            connection.recv(1)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        found = failure(f"ssl:{HOST}:{listener.getsockname()[1]}", guarded.authority.secrets())
        thread.join(10)
    assert found.passing


def test_old_tls_is_refused(guarded: Guarded) -> None:
    port, options = guarded.listener("old", *guarded.authority.issue("old"))
    guarded.rack.listen(*options, "--ssl-protocols=TLSv1.1")
    wait_for(port)
    found = failure(f"ssl:{HOST}:{port}", guarded.authority.secrets())
    assert not found.passing or "closed" in found.message


def test_no_file_of_the_key_is_left_open(guarded: Guarded) -> None:
    before = sorted(os.readlink(f"/proc/self/fd/{fd}") for fd in _open_files() if _is_memory(fd))
    assert ask(f"ssl:{HOST}:{guarded.good[0]}", guarded.authority.secrets()) is None
    failure(f"ssl:{HOST}:{guarded.good[0]}", {**guarded.authority.secrets(), "key": "none"})
    assert [os.readlink(f"/proc/self/fd/{fd}") for fd in _open_files() if _is_memory(fd)] == before == []


def _open_files() -> list[str]:
    return os.listdir("/proc/self/fd")


def _is_memory(fd: str) -> bool:
    with contextlib.suppress(OSError):
        return "memfd:" in os.readlink(f"/proc/self/fd/{fd}")
    return False


def test_addresses_have_one_spelling() -> None:
    settings = {"address": "ssl:[2001:DB8:0::1]:6640", "bridge": "br0"}
    assert OpenVSwitch.canonical(settings)["address"] == "ssl:[2001:db8::1]:6640"


def test_what_ovs_pki_makes_can_be_used(guarded: Guarded, tmp_path: Path) -> None:
    """The way that docs/drivers.md shows."""

    def pki(*arguments: str) -> None:
        command = ["ovs-pki", f"--dir={tmp_path}/pki", f"--log={tmp_path}/log", *arguments]
        subprocess.run(command, check=True, cwd=tmp_path, capture_output=True, timeout=50)

    pki("init")
    for name, kind in (("nm", "controller"), ("sw0", "switch")):
        pki("req+sign", name, kind)
    port = free_port()
    guarded.rack.listen(
        f"--certificate={tmp_path}/sw0-cert.pem",
        f"--private-key={tmp_path}/sw0-privkey.pem",
        f"--ca-cert={tmp_path}/pki/controllerca/cacert.pem",
        f"--remote=pssl:{port}:{HOST}",
    )
    wait_for(port)
    files = {"ca": "pki/switchca/cacert.pem", "certificate": "nm-cert.pem", "key": "nm-privkey.pem"}
    secrets = {name: (tmp_path / file).read_text().removesuffix("\n") for name, file in files.items()}
    assert ask(f"ssl:{HOST}:{port}", secrets) is None
    wrong = {**secrets, "ca": (tmp_path / "pki/controllerca/cacert.pem").read_text()}
    assert "certificate is not good" in failure(f"ssl:{HOST}:{port}", wrong).message
