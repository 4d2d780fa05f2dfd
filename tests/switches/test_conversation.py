"""What counts as the answer to a line, by what a channel brings and when."""

from collections.abc import Callable

from nm.switches.conversation import Conversation, Say


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
