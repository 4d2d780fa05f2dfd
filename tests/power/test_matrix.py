"""Every action on every kind of processor, by what the processor itself then says; and what may go wrong."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from nm import power
from nm.errors import DeviceFailed
from nm.management import command, ipmi, web
from nm.power import Manner, act
from nm.waiting import STUCK
from tests.power.account import PASSWORD, WRONG
from tests.power.processors import SECRETS, Amt, Domain, Processor


def do(processor: Processor, action: str, password: str = PASSWORD, **manner: Any) -> str:
    told = Manner(kinds=processor.kinds, **{"limit": 20.0, "grace": 5.0, **manner})
    return act(processor.management, action, secrets={"password": password}, manner=told)


def test_every_action_one_that_is_idle_and_a_wrong_password(processor: Processor) -> None:
    """One story, for some processors take seconds to start."""
    every_action(processor)
    wrong_password(processor)
    if not isinstance(processor, Domain):
        idle(processor)


def every_action(processor: Processor) -> None:
    for action, on in (("off", False), ("on", True), ("on", True), ("cycle", True), ("off", False)):
        assert do(processor, action) == ("on" if on else "off")
        assert processor.state()[0] is on
    for device in ("pxe", "disk", "pxe"):
        assert do(processor, device) == "off"
        assert processor.state() == (False, device)
    assert do(processor, "cycle") == "on"  # of one that is off: on
    if isinstance(processor, Amt):
        assert processor.server.boots[-1] == "pxe"
    assert processor.state()[0] is True
    assert do(processor, "off", grace=0.0) == "off"
    assert processor.state()[0] is False


def wrong_password(processor: Processor) -> None:
    if "secrets" not in processor.management:
        return  # one that anybody may switch
    shown = processor.server.shown if isinstance(processor, Amt) else 0
    began = time.monotonic()
    with pytest.raises(DeviceFailed) as failure:
        do(processor, "on", WRONG)
    assert not failure.value.passing
    assert WRONG not in str(failure.value)
    assert time.monotonic() - began < 15  # at once: not for the 20 s of the action
    assert processor.state()[0] is False
    if isinstance(processor, Amt):
        assert processor.server.shown == shown + 1


def idle(processor: Processor) -> None:
    processor.be_idle()
    for action, told in (("on", "power on"), ("disk", "booting from disk")):
        if action == "disk" and not processor.persistent:
            continue  # it cannot be asked
        with pytest.raises(
            DeviceFailed, match=f"{told} was not confirmed within 0 s: it said yes"
        ) as failure:
            do(processor, action, limit=0.3)
        assert failure.value.passing
    assert do(processor, "status") == "off"


@pytest.fixture
def silent() -> Iterator[int]:
    """A port, of TCP and of UDP, where something takes all that comes and never answers."""
    with (
        closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as stream,
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as datagrams,
    ):
        stream.bind(("127.0.0.1", 0))
        stream.listen()
        datagrams.bind(stream.getsockname())
        yield int(stream.getsockname()[1])


SILENT: dict[str, dict[str, Any]] = {
    "ipmi": {"cipher": 3},
    "redfish": {"tls": False},
    "redfish-tls": {"driver": "redfish"},
    "amt": {},
    "amt-tls": {"driver": "amt", "tls": True},
}


@pytest.mark.parametrize("name", SILENT)
def test_one_that_is_silent_takes_the_time_there_is_and_no_more(
    name: str, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ipmi, "ANSWER", 0.2)
    monkeypatch.setattr(web, "ANSWER", 0.2)
    monkeypatch.setattr(web, "CONNECT", 0.2)
    told = {"driver": name, "address": "127.0.0.1", "port": silent, "user": "u", "secrets": {"password": "x"}}
    for action, limit in (("status", 0.4), ("off", 0.4)):
        began = time.monotonic()
        with pytest.raises(DeviceFailed, match="does not answer") as failure:
            act({**told, **SILENT[name]}, action, secrets=SECRETS, manner=Manner(limit=limit))
        assert failure.value.passing
        assert time.monotonic() - began < 30


@pytest.mark.parametrize("name", ["redfish", "amt"])
def test_one_that_says_a_word_now_and_then_takes_no_more_time_either(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "WHOLE", 0.3)
    monkeypatch.setattr(power, "LOOK", 4.0)
    monkeypatch.setattr(power, "LONGEST_PAUSE", 0.2)  # it is asked again soon after each is given up
    over = threading.Event()

    def drip(caller: socket.socket) -> None:
        with contextlib.suppress(OSError), closing(caller):
            caller.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not over.wait(0.05):
                caller.sendall(b"x")

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        told = {"driver": name, "address": "127.0.0.1", "port": server.getsockname()[1], "user": "u"}
        told |= {"secrets": {"password": "x"}, "tls": False}

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=drip, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        began = time.monotonic()
        try:
            # It is asked again, until so many calls hang that no more are made.
            with pytest.raises(DeviceFailed, match=f"{STUCK} calls wait") as failure:
                act(told, "status", secrets=SECRETS)
            assert failure.value.passing
            assert time.monotonic() - began < 20
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)


def test_nobody_there(silent: int) -> None:
    for name, settings in SILENT.items():
        told = {"driver": name, "address": "127.0.0.1", "port": 1, "user": "u", "secrets": {"password": "x"}}
        if name != "ipmi":
            with pytest.raises(DeviceFailed, match="does not answer"):
                act({**told, **settings}, "status", secrets=SECRETS, manner=Manner(limit=0.4))


@pytest.mark.parametrize("processor", ["command"], indirect=True)
def test_a_program_that_hangs_is_ended_with_what_it_started(
    processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "ANSWER", 0.3)
    program: Any = processor
    program.program.write_text(f"#!/bin/sh\nsleep 600 & echo $! >{program._folder}/child; wait\n")
    with pytest.raises(DeviceFailed, match=r"did not end within"):
        do(processor, "status", limit=0.2)
    child = (program._folder / "child").read_text().strip()
    end = time.monotonic() + 10
    while _runs(child):
        assert time.monotonic() < end
        time.sleep(0.02)


def _runs(process: str) -> bool:
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
