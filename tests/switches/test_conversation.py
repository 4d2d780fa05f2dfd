"""What counts as the answer to a line, by what a channel brings and when."""

from collections.abc import Callable, Iterator
from itertools import repeat

import pytest

from nm.errors import DeviceFailed
from nm.switches.conversation import LARGEST, TAIL, Conversation, Say


class Script:
    """A channel that brings these pieces once a line was sent; "" is a pause."""

    def __init__(self, *pieces: str) -> None:
        self._pieces = list(pieces)
        self._sent = False

    def send(self, text: str) -> None:
        self._sent = True

    def receive(self, seconds: float) -> str:
        return self._pieces.pop(0) if self._sent and self._pieces else ""

    def close(self) -> None:
        """Nothing to close."""


def say(line: str, *pieces: str, plain: Callable[[str], str] = str) -> str:
    return Conversation("sw0", Script(*pieces), "sw1", plain, 1.0).say(Say(line))


def test_an_answer_is_what_stands_between_echo_and_prompt() -> None:
    assert say("show vlan", "show vlan\r\n1 default\r\n", "sw1#") == "1 default"
    assert say("display vlan", "display vlan\r\n1 default\r\n", "<sw1>") == "1 default"
    assert say("vlan 5", "vlan 5\r\n", "[~sw1-vlan5]") == ""


def test_a_late_prompt_of_the_line_before_is_no_answer() -> None:
    assert say("show vlan", "\r\nsw1# ", "show vlan\r\n", "1 default\r\nsw1# ") == "1 default"


def test_a_prompt_without_any_echo_counts_when_nothing_more_comes() -> None:
    assert say("show vlan", "1 default\r\nsw1# ") == "1 default"


class Endless:
    """A channel that never ends to say something, unasked (`sent`) or once a line was sent."""

    def __init__(self, sent: bool) -> None:
        self._sent = sent
        self._pieces: Iterator[str] = repeat("debug: a frame came\r\n" * 1000)
        self.said = 0

    def send(self, text: str) -> None:
        self._sent = True

    def receive(self, seconds: float) -> str:
        assert self.said < 2 * LARGEST, "nobody minds"
        piece = next(self._pieces) if self._sent else ""
        self.said += len(piece)
        return piece

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("unasked", [True, False])
def test_one_that_never_ends_to_talk_is_not_listened_to_for_ever(unasked: bool) -> None:
    with pytest.raises(DeviceFailed, match="and goes on"):
        Conversation("sw0", Endless(unasked), "sw1", str, 60.0).say(Say("show vlan"))


def test_a_long_answer_is_looked_through_once_however_many_pieces_it_comes_in() -> None:
    """The patterns' work is that of its pieces and a tail each, not of all that came before."""
    looked = 0

    def plain(text: str) -> str:
        nonlocal looked
        looked += len(text)
        return text.replace("\x1b[K", "")

    lines = ["interface GigabitEthernet1/0/1\r\n", "\x1b", "[K switchport mode access\r\n"] * 2000
    answer = say("show run", "show run\r\n", *lines, "sw1#", plain=plain)
    assert answer == ("interface GigabitEthernet1/0/1\n switchport mode access\n" * 2000).rstrip("\n")
    assert looked <= sum(map(len, lines)) + TAIL * (len(lines) + 2)
