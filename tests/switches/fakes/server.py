"""The network side of a fake switch: SSH (asyncssh) and telnet, in an event loop in a thread of its own.

A listener keeps its port while it refuses connections: a second socket is bound to it that never listens, so
that nobody else gets the port, and the kernel answers a connection with a reset, as of a switch that is
booting.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import asyncssh

from tests.switches.fakes.switch import FakeSwitch
from tests.switches.fakes.terminal import Terminal, pause

T = TypeVar("T")
LOOPBACK = "127.0.0.1"
PATIENCE = 30  # seconds that the thread gets for what a test asks of it
IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
ECHO, SUPPRESS_GO_AHEAD = 1, 3


class Listener:
    """A port that can refuse."""

    def __init__(self, port: int, serve: Callable[[socket.socket], Awaitable[Any]]) -> None:
        self._keeper = _bound(port)
        self.port: int = self._keeper.getsockname()[1]
        self._serve = serve
        self._server: Any = None

    async def open(self) -> None:
        if self._server is None:
            listening = _bound(self.port)
            listening.listen(64)
            listening.setblocking(False)
            self._server = await self._serve(listening)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def release(self) -> None:
        self._keeper.close()


def _bound(port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((LOOPBACK, port))
    return found


class Server:
    """The thread in which one switch is reached."""

    def __init__(self, switch: FakeSwitch, port: int, host_key: str | None) -> None:
        self.switch = switch
        self.connections: set[asyncssh.SSHServerConnection | asyncio.StreamWriter] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._key = asyncssh.import_private_key(host_key) if host_key else _new_key()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"fake {switch.cli.dialect}")
        self._thread.daemon = True
        self.ssh = Listener(port, self._serve_ssh)
        self.telnet = Listener(0, self._serve_telnet) if switch.cli.telnet else None
        self._thread.start()
        self.do(self._open())

    @property
    def host_key(self) -> str:
        return " ".join(self._key.export_public_key().decode().split()[:2])

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the thread do this, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def refuse(self, yes: bool) -> None:
        self.do(self._close() if yes else self._open())

    def replace_host_key(self) -> None:
        self._key = _new_key()
        self.do(self._reopen())

    def cut(self) -> None:
        self.do(self._cut())

    def stop(self) -> None:
        self.do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()
        for listener in self._listeners():
            listener.release()

    def _listeners(self) -> list[Listener]:
        return [self.ssh] + ([self.telnet] if self.telnet else [])

    async def _open(self) -> None:
        for listener in self._listeners():
            await listener.open()

    async def _close(self) -> None:
        for listener in self._listeners():
            await listener.close()

    async def _reopen(self) -> None:
        await self._close()
        await self._open()

    async def _cut(self) -> None:
        open_now = list(self.connections)
        for connection in open_now:
            _abort(connection)
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        waiting = [each.wait_closed() for each in open_now if isinstance(each, asyncssh.SSHServerConnection)]
        await asyncio.gather(*waiting, return_exceptions=True)

    async def _end(self) -> None:
        await self._close()
        await self._cut()

    async def _serve_ssh(self, listening: socket.socket) -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(
            lambda: SshConnection(self),
            sock=listening,
            server_host_keys=[self._key],
            line_editor=False,
            server_version="Cisco-1.25" if self.switch.cli.dialect == "cisco_ios" else "OpenSSH_7.4",
            login_timeout=120,
            agent_forwarding=False,
            allow_scp=False,
        )

    async def _serve_telnet(self, listening: socket.socket) -> asyncio.Server:
        return await asyncio.start_server(self._telnet_connection, sock=listening)

    async def _telnet_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.connections.add(writer)
        self.switch.counts.connections += 1
        writer.write(bytes([IAC, WILL, ECHO, IAC, WILL, SUPPRESS_GO_AHEAD]))
        terminal = Terminal(self.switch, TelnetChannel(writer))
        reading = asyncio.ensure_future(_feed_telnet(reader, terminal))
        try:
            await terminal.serve(ask_login=True)
        except asyncio.CancelledError:
            pass  # cut from outside; an error here would only be logged
        finally:
            reading.cancel()
            self.tasks.discard(task)
            self.connections.discard(writer)
            writer.close()


def _new_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


def _abort(connection: "asyncssh.SSHServerConnection | asyncio.StreamWriter") -> None:
    if isinstance(connection, asyncssh.SSHServerConnection):
        connection.abort()
    else:
        connection.transport.abort()


class SshConnection(asyncssh.SSHServer):
    """One connection: who may log in, and a terminal for who did."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.switch = server.switch
        self.connection: asyncssh.SSHServerConnection

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.connection = conn
        self.server.connections.add(conn)
        self.switch.counts.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.discard(self.connection)

    async def begin_auth(self, username: str) -> bool:
        if self.switch.cli.in_band:
            return False
        await pause(self.switch.login_seconds)
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return self.switch.admits(username, password)

    def public_key_auth_supported(self) -> bool:
        return bool(self.switch.keys)

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        offered = key.export_public_key().decode().split()[:2]
        known = any(line.split()[:2] == offered for line in self.switch.keys)
        return known and username == self.switch.user and not self.switch.faults.find("password")

    def auth_completed(self) -> None:
        self.switch.counts.logins += not self.switch.cli.in_band

    def session_requested(self) -> "SshSession":
        return SshSession(self)


class SshSession(asyncssh.SSHServerSession[str]):
    """A shell in a connection."""

    def __init__(self, connection: SshConnection) -> None:
        self._server = connection.server
        self._connection = connection
        self._channel: asyncssh.SSHServerChannel[str]
        self._terminal = Terminal(connection.switch, self)
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._room.set()

    def connection_made(self, chan: "asyncssh.SSHServerChannel[str]") -> None:
        self._channel = chan

    def pty_requested(self, *_: object) -> bool:
        return True

    def shell_requested(self) -> bool:
        return True

    def session_started(self) -> None:
        work = self._terminal.serve(ask_login=self._connection.switch.cli.in_band)
        self._task = asyncio.ensure_future(work)
        self._server.tasks.add(self._task)
        self._task.add_done_callback(self._server.tasks.discard)

    def data_received(self, data: str, datatype: int | None) -> None:
        self._terminal.feed(data)

    def eof_received(self) -> bool:
        self._terminal.feed("")
        return True

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._terminal.busy:
            self._terminal.feed("")
        elif self._task is not None:
            self._task.cancel()

    # what a terminal asks of its channel

    def write(self, text: str) -> None:
        with contextlib.suppress(BrokenPipeError, OSError):
            self._channel.write(text)

    async def drained(self) -> None:
        await self._room.wait()

    def leave(self) -> None:
        with contextlib.suppress(OSError):
            self._channel.exit(0)
        self._connection.connection.close()

    def cut(self) -> None:
        self._connection.connection.abort()


class TelnetChannel:
    """A terminal over telnet."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def write(self, text: str) -> None:
        self._writer.write(text.encode())

    async def drained(self) -> None:
        await self._writer.drain()

    def leave(self) -> None:
        self._writer.close()

    def cut(self) -> None:
        self._writer.transport.abort()


async def _feed_telnet(reader: asyncio.StreamReader, terminal: Terminal) -> None:
    """Hand on what is typed; the other end's options are read and not answered."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            byte = (await reader.readexactly(1))[0]
            if byte != IAC:
                if byte:  # CR NUL is a carriage return
                    terminal.feed(chr(byte))
                continue
            order = (await reader.readexactly(1))[0]
            if order in (DO, DONT, WILL, WONT):
                await reader.readexactly(1)
            elif order == SB:
                await reader.readuntil(bytes([IAC, SE]))
    terminal.feed("")
