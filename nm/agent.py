"""The keys of an ssh-agent, for whoever logs in by SSH: nmctl's client, drivers of switches. No locks."""

import socket
from contextlib import suppress

import paramiko
from paramiko.agent import AgentSSH


class Agent(AgentSSH):
    """The keys of an ssh-agent; none when there is no agent. paramiko's own waits for ever."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(seconds)
        with suppress(OSError, paramiko.SSHException):
            self._socket.connect(path)
            self._connect(self._socket)  # type: ignore[attr-defined]

    def close(self) -> None:
        """End the connection to the agent."""
        self._socket.close()
