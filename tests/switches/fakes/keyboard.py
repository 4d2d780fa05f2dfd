"""Somebody who types into a switch over SSH, by paramiko alone, and waits for the prompt."""

import re
import time
from types import TracebackType
from typing import Self

import paramiko

from tests.switches.fakes.switch import FakeSwitch

PROMPT = r"[\w.,()<>/:@~-]+[>#$%] ?$"
PATIENCE = 10  # seconds for an answer
ESCAPES = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")  # of a terminal: cursor, erasing, modes


class Silence(Exception):
    """No answer came in time."""


class NoAuthentication(paramiko.SSHClient):
    """For switches that let everybody in, and ask who it is in the terminal."""

    def _auth(self, username: str, *_: object) -> None:
        transport = self.get_transport()
        assert transport is not None
        transport.auth_none(username)


class Keyboard:
    """One session. `type` answers what was printed, without the echo and the prompt."""

    def __init__(
        self,
        switch: FakeSwitch,
        password: str | None = None,
        patience: float = PATIENCE,
        first: str = PROMPT,  # what the switch says in the end when somebody has logged in
    ) -> None:
        in_band = switch.cli.in_band
        self._client = NoAuthentication() if in_band else paramiko.SSHClient()
        self._client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        self._client.connect(
            "127.0.0.1",
            switch.port,
            switch.user,
            password or switch.password,
            look_for_keys=False,
            allow_agent=False,
            timeout=patience,
            banner_timeout=patience,
            auth_timeout=patience,
        )
        self.patience = patience
        self.prompt = ""
        self._return = "\r\n" if switch.cli.return_ends else "\n"
        self._shell = self._client.invoke_shell("vt100", 511, 1000)
        if in_band:
            self.wait(switch.cli.user_text)
            self.type(switch.user, until="Password: $")
            self.send((password or switch.password) + self._return)
        self.greeting = self.wait(first)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def type(self, *lines: str, until: str = PROMPT) -> str:
        """Type the lines, each after the prompt of the one before; answer what the last one printed."""
        answer = ""
        for line in lines:
            self.send(line + self._return)
            answer = self.wait(until)
        return answer.partition("\n")[2]

    def send(self, keys: str) -> None:
        self._shell.sendall(keys.encode())

    def wait(self, until: str = PROMPT) -> str:
        """Everything up to what the pattern finds at the end; EOFError when the switch hung up."""
        text = ""
        end = time.monotonic() + self.patience
        while not (found := re.search(until, text)):
            self._shell.settimeout(max(end - time.monotonic(), 0.001))
            try:
                chunk = self._shell.recv(65536)
            except TimeoutError:
                raise Silence(text) from None
            if not chunk:
                raise EOFError(text)
            text = ESCAPES.sub("", text + chunk.decode().replace("\r", ""))
        self.prompt = found[0]
        return text[: found.start()]
