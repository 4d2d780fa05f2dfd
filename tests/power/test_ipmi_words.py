"""What ipmitool makes of a processor's refusals, and nm of its words: a real one, and somebody between."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from nm.errors import DeviceFailed
from nm.power import Manner, act
from tests.power.processors import SECRETS, IpmiSim

OPEN, RAKP_2, RAKP_4 = 0x11, 0x13, 0x15  # payloads of IPMI 2.0, table 13-16
TYPE, STATUS = 5, 17  # their places in a datagram


class Between:
    """Passes datagrams on; in answers of the kind `spoilt` it writes that status (table 13-15)."""

    def __init__(self, port: int) -> None:
        self.spoilt: tuple[int, int] | None = None
        self._here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._here.bind(("127.0.0.1", 0))
        self._there.connect(("127.0.0.1", port))
        self._there.settimeout(5)
        self.port = self._here.getsockname()[1]
        self._thread = threading.Thread(target=self._pass_on)
        self._thread.start()

    def _pass_on(self) -> None:
        while True:
            asked, who = self._here.recvfrom(4096)
            if not asked:
                return
            self._there.send(asked)
            with contextlib.suppress(OSError):
                answer = bytearray(self._there.recv(4096))
                if self.spoilt and answer[4] == 6 and answer[TYPE] & 0x3F == self.spoilt[0]:
                    answer[STATUS] = self.spoilt[1]
                self._here.sendto(answer, who)

    def close(self) -> None:
        self._here.sendto(b"", self._here.getsockname())
        self._thread.join()
        self._here.close()
        self._there.close()


@pytest.fixture
def between(processor: IpmiSim) -> Iterator[Between]:
    with closing(Between(processor.port)) as made:
        yield made


@pytest.mark.parametrize("processor", ["ipmi_sim"], indirect=True)
def test_a_refusal_is_told_as_what_it_is(processor: IpmiSim, between: Between) -> None:
    def refused() -> DeviceFailed:
        told = {**processor.management, "port": between.port}
        with pytest.raises(DeviceFailed) as failure:
            act(told, "status", secrets=SECRETS, manner=Manner(limit=0.1))
        return failure.value

    for between.spoilt, passing, words in (
        ((OPEN, 0x01), True, "no session to spare"),
        ((RAKP_2, 0x01), True, "no session to spare"),
        ((RAKP_2, 0x0B), True, "no session to spare"),
        ((RAKP_4, 0x02), True, "no session to spare"),
        ((OPEN, 0x09), False, "too few rights"),
        ((RAKP_2, 0x0A), False, "too few rights"),
        ((RAKP_2, 0x0D), False, "refused the user or the password"),
        ((RAKP_4, 0x0F), False, "refused the user or the password"),
        ((OPEN, 0x11), False, "not that cipher suite"),
    ):
        error = refused()
        assert (error.passing, words in error.message) == (passing, True), (between.spoilt, error.message)
