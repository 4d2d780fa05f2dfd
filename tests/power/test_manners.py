"""How power is switched: softly first, so many at once, and by whom the site trusts."""

import json
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from nm.errors import DeviceFailed, Invalid
from nm.management import KINDS, amt, ipmi
from nm.management.simulated import SimulatedPower
from nm.power import GRACE, LIMIT, Manner, act
from nm.processor import PowerDriver, Settings
from tests.power.account import PASSWORD, USER
from tests.power.fake_amt import FakeAmt
from tests.power.processors import SECRETS, Command, Processor
from tests.power.test_power import Watch
from tests.switches.certificates import Authority

NOT_SOFT = DeviceFailed("no such command", passing=False)


class Server:
    """A driver that is its own processor: it notes what it is asked, and when, and mostly obeys."""

    kind: ClassVar[str] = "server"
    settings: ClassVar[Settings] = Settings({})
    watch: ClassVar[Watch]
    asked: ClassVar[list[tuple[float, str]]]
    deaf_to: ClassVar[set[str]]
    broken: ClassVar[dict[str, DeviceFailed]]
    on: ClassVar[bool]

    def __init__(self, management: Any, secrets: Any) -> None:
        pass

    def _do(self, word: str, on: bool) -> None:
        self.asked.append((self.watch.time, word))
        if word in self.broken:
            raise self.broken[word]
        if word not in self.deaf_to:
            type(self).on = on

    def is_on(self) -> bool:
        if "status" in self.broken:
            raise self.broken["status"]
        return self.on

    def switch(self, on: bool) -> None:
        self._do("on" if on else "off", on)

    def ask_to_stop(self) -> None:
        self._do("soft", False)

    def boot_from(self, device: str) -> None:
        self._do(device, self.on)

    def boots_from(self) -> str | None:
        return None

    def close(self) -> None:
        self.asked.append((self.watch.time, "close"))


@pytest.fixture
def server() -> type[Server]:
    """One that is on and obeys."""
    watch = Watch()
    return type(
        "Server", (Server,), {"watch": watch, "asked": [], "deaf_to": set(), "broken": {}, "on": True}
    )


def do(server: type[Server], action: str, **more: Any) -> str:
    manner = Manner(clock=server.watch.clock, kinds={"server": server}, **more)
    return act({"driver": "server"}, action, manner=manner)


def test_off_is_soft_and_when_that_does_nothing_hard(server: type[Server]) -> None:
    assert do(server, "off") == "off"
    assert server.asked == [(0.0, "soft"), (0.0, "close")]
    server.on, server.asked, server.deaf_to = True, [], {"soft"}
    assert do(server, "off") == "off"
    words = [word for _, word in server.asked]
    assert words == ["soft", "soft", "off", "close"]  # it is reminded once
    assert server.asked[2][0] == GRACE


def test_the_grace_leaves_time_for_the_hard_way(server: type[Server]) -> None:
    server.deaf_to = {"soft"}
    assert do(server, "off", limit=10.0) == "off"
    assert server.asked[-2] == (5.0, "off")
    server.on, server.asked = True, []
    assert do(server, "off", grace=0.0) == "off"
    assert server.asked == [(server.watch.time, "off"), (server.watch.time, "close")]


def test_one_that_cannot_be_asked_softly_loses_its_power_at_once(server: type[Server]) -> None:
    server.broken = {"soft": NOT_SOFT}
    assert do(server, "off") == "off"
    assert server.asked[-2] == (0.0, "off")


def test_one_that_does_nothing_is_told_again_now_and_then(server: type[Server]) -> None:
    server.deaf_to = {"soft", "off"}
    with pytest.raises(
        DeviceFailed, match="power off was not confirmed within 60 s: it said yes, and is still"
    ):
        do(server, "off")
    counted = Counter(word for _, word in server.asked)
    assert counted == {"soft": 2, "off": 3, "close": 1}
    assert server.watch.time == LIMIT


def test_what_one_says_when_it_refuses_is_told(server: type[Server]) -> None:
    for word, action in (("off", "cycle"), ("off", "off"), ("pxe", "pxe")):
        server.broken = {word: DeviceFailed("it is being updated, says the processor"), "soft": NOT_SOFT}
        with pytest.raises(DeviceFailed, match="within 50 s: it is being updated, says the processor"):
            do(server, action, limit=50.0)


def test_one_that_refuses_first_and_says_yes_later_said_yes(server: type[Server]) -> None:
    server.broken = {"off": DeviceFailed("it is being updated"), "soft": NOT_SOFT}
    server.deaf_to = {"off"}
    server.watch.meanwhile = lambda now: server.broken.clear() if now > 20 else None
    with pytest.raises(DeviceFailed, match="it said yes, and is still not off"):
        do(server, "off")


def test_a_cycle_is_hard_and_seen_to_be_off_between(server: type[Server]) -> None:
    assert do(server, "cycle") == "on"
    assert [word for _, word in server.asked] == ["off", "on", "close"]
    server.deaf_to = {"off"}
    with pytest.raises(DeviceFailed, match="power off was not confirmed"):
        do(server, "cycle")
    assert server.on


def test_a_password_that_was_refused_is_shown_once(server: type[Server]) -> None:
    for word in ("status", "on", "pxe"):
        server.asked.clear()
        server.on = False
        server.broken = {word: DeviceFailed("refused the user or the password", passing=False)}
        with pytest.raises(DeviceFailed, match="refused the user"):
            do(server, "off" if word == "status" else word)
        assert len(server.asked) <= 2
        assert server.watch.time == 0


def test_one_whose_first_answer_is_no_answer_keeps_its_grace(server: type[Server]) -> None:
    """To be asked softly, or told anything, is tried again soon; the power does not go for it."""
    watch = server.watch
    broken = {"soft": DeviceFailed("node busy")}
    server.broken = dict(broken)
    watch.meanwhile = lambda now: server.broken.clear() if now >= 1.5 else None
    assert do(server, "off") == "off"
    assert [word for _, word in server.asked] == ["soft", "soft", "soft", "close"]
    assert watch.time < 4


def test_a_state_that_does_not_come_is_told_as_the_driver_tells_it(server: type[Server]) -> None:
    server.broken = {"status": DeviceFailed("does not answer", "see its cable")}
    with pytest.raises(DeviceFailed, match=r"^does not answer") as failure:
        do(server, "status")
    assert failure.value.hint == "see its cable"
    assert 10 <= server.watch.time < LIMIT


# ---- many at once


def test_fifty_at_once_speak_with_so_many_at_a_time(tmp_path: Path) -> None:
    most = Most(4)
    folder = tmp_path / "nodes"
    folder.mkdir()
    gate = threading.BoundedSemaphore(4)
    manner = Manner(limit=50.0, gate=gate, kinds={"simulated": watched(most)})
    answers: list[str] = []

    def switch(number: int) -> None:
        told = {"driver": "simulated", "file": str(folder / str(number))}
        answers.append(act(told, "on", manner=manner))

    threads = [threading.Thread(target=switch, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["on"] * 50
    assert {json.loads(file.read_text())["power"] for file in folder.iterdir()} == {"on"}
    assert most.most == 4


class Most:
    """How many were inside at a time. The first stay inside until there are as many as may be."""

    def __init__(self, room: int) -> None:
        self.most = self._inside = 0
        self._room = room
        self._full = threading.Event()
        self._lock = threading.Lock()

    @contextmanager
    def inside(self) -> Iterator[None]:
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
            if self.most >= self._room:
                self._full.set()
        assert self._full.wait(30), "fewer are let in than may be"
        yield
        with self._lock:
            self._inside -= 1


def watched(most: Most) -> type[PowerDriver]:
    """nm's switch in a file, watched."""

    class Watched(SimulatedPower):
        def switch(self, on: bool) -> None:
            with most.inside():
                super().switch(on)

        def is_on(self) -> bool:
            with most.inside():
                return super().is_on()

    return Watched


def test_who_finds_no_room_in_time_is_told_so(tmp_path: Path) -> None:
    gate = threading.BoundedSemaphore(1)
    gate.acquire()
    told = {"driver": "simulated", "file": str(tmp_path / "n1")}
    with pytest.raises(DeviceFailed, match=r"too many other processors") as failure:
        act(told, "on", manner=Manner(limit=0.1, gate=gate))
    assert failure.value.passing


# ---- who is trusted


@pytest.fixture
def amt_with_tls(tmp_path: Path) -> Iterator[tuple[FakeAmt, Path]]:
    """One whose certificate an authority of the site vouches for, and that one's file."""
    authority = Authority()
    certificate, key = authority.issue("bmc", "127.0.0.1")
    (tmp_path / "bmc.pem").write_text(certificate + key)
    (tmp_path / "ca.pem").write_text(authority.text)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "bmc.pem")
    made = FakeAmt(context)
    yield made, tmp_path / "ca.pem"
    made.close()


def test_a_certificate_is_verified_unless_it_is_said_otherwise(amt_with_tls: tuple[FakeAmt, Path]) -> None:
    server, ca = amt_with_tls
    place = {
        "address": "127.0.0.1",
        "port": server.server_address[1],
        "user": USER,
        "secrets": {"password": "x"},
    }
    kinds: list[dict[str, Any]] = [{"driver": "amt", "tls": True}, {"driver": "redfish"}]
    for told in kinds:
        with pytest.raises(DeviceFailed, match="certificate that cannot be verified") as failure:
            act({**place, **told}, "status", secrets=SECRETS)
        assert not failure.value.passing
        assert server.shown == 0  # no password came to it
    trusts: list[dict[str, Any]] = [{"ca": str(ca)}, {"verify": False}]
    for trust in trusts:
        assert act({**place, "driver": "amt", "tls": True, **trust}, "status", secrets=SECRETS) == "off"
    assert server.shown == 2
    with pytest.raises(DeviceFailed):
        act({**place, "driver": "redfish", "ca": str(ca) + "x"}, "status", secrets=SECRETS)


@pytest.mark.parametrize("processor", ["command"], indirect=True)
def test_a_program_that_others_can_change_is_not_run(processor: Command) -> None:
    manner = Manner(kinds=processor.kinds)

    def refused(told: str) -> None:
        with pytest.raises(DeviceFailed, match=told) as failure:
            act(processor.management, "status", secrets=SECRETS, manner=manner)
        assert not failure.value.passing
        assert failure.value.hint

    assert act(processor.management, "status", secrets=SECRETS, manner=manner) == "off"
    processor.program.chmod(0o775)
    refused("can be written by others")
    processor.program.chmod(0o644)
    refused("is no program")
    processor.program.chmod(0o755)
    processor.program.parent.chmod(0o777)
    refused("can be written by others")
    processor.program.parent.chmod(0o755)
    other = processor.program.rename(processor.program.with_name("other"))
    refused("No such file")
    processor.program.symlink_to(other)
    refused("is no program|can be written")


@pytest.mark.parametrize(
    ("management", "told"),
    [
        ({"driver": "ipmi", "cipher": 18}, "cipher suite"),
        ({"driver": "ipmi", "address": ""}, "lacks address"),
        ({"driver": "ipmi", "secrets": {}}, r"lacks secrets\.password"),
        ({"driver": "redfish", "ca": "ca.pem"}, "no absolute path"),
        ({"driver": "redfish", "ca": "/ca.pem", "verify": False}, "verify is false"),
        ({"driver": "amt", "verify": False}, "TLS is not"),
        ({"driver": "command", "program": "../sh"}, "not a legal name"),
        ({"driver": "command", "program": "/bin/sh"}, "not a legal name"),
        ({"driver": "command", "program": "x", "address": "-c"}, "looks like an option"),
    ],
)
def test_settings_that_cannot_be(management: dict[str, Any], told: str) -> None:
    common = {"address": "10.0.0.1", "user": "u", "secrets": {"password": "x"}}
    with pytest.raises(Invalid, match=told):
        act({**common, **management}, "status", secrets=SECRETS)


def test_a_password_that_ipmi_cannot_have(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"driver": "ipmi", "address": "127.0.0.1", "user": "u", "secrets": {"password": "x"}}
    with pytest.raises(DeviceFailed, match="more than 20 bytes"):
        act(told, "status", secrets={"password": PASSWORD * 2})
    monkeypatch.setattr(ipmi, "PATH", "/nowhere")
    with pytest.raises(DeviceFailed, match="ipmitool is not there"):
        act(told, "status", secrets=SECRETS)


def test_an_amt_that_is_none(amt_with_tls: tuple[FakeAmt, Path]) -> None:
    server, ca = amt_with_tls
    told: dict[str, Any] = {"driver": "amt", "address": "127.0.0.1", "user": USER}
    told |= {"secrets": {"password": "x"}, "port": server.server_address[1], "tls": True, "ca": str(ca)}
    driver = amt.AmtPower(told, SECRETS)
    with pytest.raises(DeviceFailed, match="status 400: no such method") as failure:
        driver._call("CIM_BootService", "Nonsense", "", Name="x")
    assert not failure.value.passing
    driver.close()


def test_every_kind_is_a_processor() -> None:
    assert sorted(KINDS) == ["amt", "command", "ipmi", "libvirt", "redfish", "simulated"]
    assert issubclass(Command, Processor)
