"""iproute2's programs on another machine, over SSH: one command reads, one carries out many lines.

iproute2 is on every Linux; pyroute2, which would want a Python of its own there, is not. Called by the hands
of switches and hosts, from their one worker thread.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from nm.errors import DeviceFailed
from nm.remote import Answer, Remote

T = TypeVar("T")
_FAILED = re.compile(r"Command failed \S*:(\d+)")


class Iproute2:
    """The programs of a machine. Who logs in as another than root is let change things by sudo."""

    def __init__(self, what: str, remote: Remote) -> None:
        """`what` is what they are asked about, for error messages."""
        self._what = what
        self._remote = remote
        self._sudo = "" if remote.user == "root" else "sudo -n "

    def look(self, command: str, understand: Callable[[Iterator[Any]], T]) -> T:
        """What is understood of the JSON documents that the command writes."""
        answer = self._run(command)
        if answer.status:
            raise self.failed("cannot be read", answer.errors, "install iproute2 there")
        try:
            return understand(documents(answer.output))
        except (ValueError, KeyError, TypeError) as error:
            raise self.failed(
                "cannot be read", f"{error!r}", "its iproute2 must know -json, as 5.0 does"
            ) from error

    def batch(self, command: str, lines: str) -> dict[int, str]:
        """What was refused, by the number of its line from 1."""
        answer = self._run(f"{self._sudo}{command}", lines)
        if answer.status == 0:
            return {}
        refused = failures(answer.errors)
        if not refused:
            raise self.denied(answer.errors)
        return refused

    def change(self, command: str) -> None:
        """Carry out a command that says nothing when it goes well."""
        answer = self._run(f"{self._sudo}{command}")
        if answer.status:
            raise self.denied(answer.errors)

    def denied(self, words: str) -> DeviceFailed:
        """The error that nothing could be changed."""
        hint = "who is not root there may need a line in sudoers: docs/drivers.md"
        return self.failed("cannot be changed", words, hint)

    def failed(self, what: str, words: str, hint: str) -> DeviceFailed:
        """An error in the machine's words; trying again does not help."""
        said = " ".join(words.split()) or "it says nothing"
        return DeviceFailed(f"{self._what} {what}: {said}", hint, passing=False)

    def _run(self, command: str, text: str = "") -> Answer:
        """Run it by a plain shell, whatever the account's own is, that finds root's programs."""
        return self._remote.run(f"sh -c {shlex.quote(f'PATH=$PATH:/usr/sbin:/sbin; {command}')}", text)


def documents(text: str) -> Iterator[Any]:
    """The JSON documents that stand one behind the other."""
    text = text.strip()
    while text:
        document, end = json.JSONDecoder().raw_decode(text)
        yield document
        text = text[end:].strip()


def failures(errors: str) -> dict[int, str]:
    """What was said of each line that was refused, by its number from 1."""
    found: dict[int, str] = {}
    words: list[str] = []
    for line in errors.splitlines():
        if match := _FAILED.fullmatch(line.strip()):
            found[int(match[1])] = " ".join(words) or "refused"
            words = []
        else:
            words.append(line.strip())
    return found
