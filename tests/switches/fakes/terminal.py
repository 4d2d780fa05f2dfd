"""A terminal on a switch, whatever carries it: echo, editing, paging, log-in, and the faults of its lines."""

import asyncio
from typing import Protocol

from tests.switches.fakes.cli import Ask, Cli, Steps
from tests.switches.fakes.faults import Fault
from tests.switches.fakes.switch import FakeSwitch, SessionLog


class Channel(Protocol):
    """What carries a terminal."""

    def write(self, text: str) -> None:
        """Send text; does not wait."""

    async def drained(self) -> None:
        """Wait until more may be sent."""

    def leave(self) -> None:
        """End the session in good order."""

    def cut(self) -> None:
        """Drop the connection."""


async def pause(seconds: float) -> None:
    """Be as slow as the switch is said to be; the clock is looked at again."""
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    while (left := end - clock()) > 0:
        await asyncio.sleep(left)


class Hangup(Exception):
    """The session is over."""


class Terminal:
    """One session: keys come in by `feed`, `serve` lives as long as the session."""

    def __init__(self, switch: FakeSwitch, channel: Channel) -> None:
        self.switch = switch
        self.channel = channel
        self.cli: Cli = switch.cli(switch)
        self.log = SessionLog()
        self.busy = False  # with a line that it finishes though nobody is there any more
        self._keys: asyncio.Queue[str] = asyncio.Queue()
        self._chunk = ""
        self._out: list[str] = []
        self._returned = False  # the last key was a carriage return

    def feed(self, keys: str) -> None:
        """Keys were typed; "" when there will be no more."""
        self._keys.put_nowait(keys)

    async def serve(self, ask_login: bool) -> None:
        """The whole session; ask_login when whoever is there has not yet said who he is."""
        entered = False
        try:
            if ask_login and not await self._login():
                raise Hangup
            entered = self.switch.enter_session(self)
            if not entered:
                self._print(self.cli.too_many)
                raise Hangup
            await self._converse()
        except Hangup:
            self._flush()
            self.channel.leave()
        except ConnectionAbortedError:
            self.channel.cut()
        finally:
            if entered:
                self.cli.ended()
                self.switch.leave_session(self)

    async def _login(self) -> bool:
        for _ in range(3):
            self._write(f"\r\n{self.cli.user_text}")
            user = await self._read_line()
            self._write("Password: ")
            password = await self._read_line(echo=False)
            await pause(self.switch.login_seconds)
            if self.switch.admits(user, password):
                self.switch.counts.logins += 1
                return True
            self._print(self.cli.login_failed)
        return False

    async def _converse(self) -> None:
        if slow := self.switch.faults.find("slow", "", 0):
            await pause(slow.seconds)
        await self._suffer("", 0)
        if self.switch.banner:
            self._print(self.switch.banner)
        if greeting := await self._steps(self.cli.greet()):
            self._print(greeting)
        trailing = ""
        while not self.cli.closed:
            prompt = self.cli.prompt()
            self._write(self.cli.blank + prompt + trailing)
            line = await self._read_line(shown=len(prompt))
            trailing = await self._handle(line.strip(" \t\0"))
        raise Hangup

    async def _handle(self, line: str) -> str:
        """Execute one line with the faults that hit it; answers what is printed after the next prompt."""
        if not line:
            return ""
        number = None
        self.log.lines.append(line)
        self.switch.counts.commands += 1
        if self.cli.configures(line):
            self.log.configured += 1
            number = self.log.configured
        await self._suffer(line, number)
        await pause(self.switch.latency)
        if late := self.switch.faults.find("late", line, number):
            await self._be_late(late)
        answer = await self._execute(line, number)
        self.busy = False
        lines = answer.split("\n") if answer else []
        faults = self.switch.faults
        if faults.find("cut", line, number, after=True):
            raise ConnectionAbortedError
        if slow := faults.find("slow", line, number):
            await pause(slow.seconds)
        if faults.find("noise", line, number):
            middle = len(lines) // 2
            lines[middle:middle] = [self.cli.log_message()]
        await self._page(lines)
        return "\r\n" + self.cli.log_message() + "\r\n" if faults.find("trail", line, number) else ""

    async def _be_late(self, fault: Fault) -> None:
        self.busy = True
        await pause(fault.seconds)
        while fault in self.switch.faults:
            await asyncio.sleep(0.01)

    async def _suffer(self, line: str, number: int | None) -> None:
        """What may happen before a line is executed."""
        self._flush()
        if self.switch.faults.find("silence", line, number):
            await asyncio.Event().wait()  # until the other end gives up
        if self.switch.faults.find("cut", line, number):
            raise ConnectionAbortedError
        if chatter := self.switch.faults.find("chatter", line, number):
            await self._chatter(chatter.seconds)

    async def _chatter(self, seconds: float) -> None:
        """Print its log until the other end gives up; no faster than it is taken."""
        while True:
            self._print(self.cli.log_message())
            self._flush()
            await self.channel.drained()
            await asyncio.sleep(seconds)

    async def _execute(self, line: str, number: int | None) -> str | None:
        if self.switch.faults.find("reject", line, number):
            return self.cli.rejected(line)
        if not self.switch.faults.find("lie", line, number):
            return await self._steps(self.cli.run(line))
        before = self.switch.snapshot(self.cli)
        answer = await self._steps(self.cli.run(line))
        self.switch.restore(self.cli, before)
        return answer

    async def _steps(self, steps: Steps) -> str | None:
        """Let a command run, asking and waiting as it wants."""
        said: str | None = None
        while True:
            try:
                with self.switch.lock:
                    step = next(steps) if said is None else steps.send(said)
            except StopIteration as finished:
                return str(finished.value) if finished.value is not None else None
            if isinstance(step, Ask):
                self._write(step.text.replace("\n", "\r\n"))
                said = await self._answer(step)
            else:
                self._flush()
                await pause(step.seconds)
                said = None

    async def _answer(self, asked: Ask) -> str:
        if not asked.key:
            return await self._read_line(echo=asked.echo)
        key = await self._key()
        self._write(key + "\r\n" if key.isprintable() else "\r\n")
        return key

    async def _page(self, lines: list[str]) -> None:
        """Print, and wait for a key after every page."""
        room = self.cli.length - 1
        for line in lines:
            if self.cli.length and room <= 0:
                self._write(self.cli.more)
                key = await self._key()
                self._write("\b" * len(self.cli.more) + " " * len(self.cli.more) + "\b" * len(self.cli.more))
                if key in "qQ\x03":
                    return
                room = 1 if key in "\r\n" else self.cli.length - 1
            self._print(line)
            room -= 1

    async def _read_line(self, echo: bool = True, shown: int = 0) -> str:
        """A line as it is typed; `shown` columns stand before it."""
        line = ""
        while True:
            key = await self._key()
            after_return, self._returned = self._returned, key == "\r"
            if key == "\n" and (after_return or self.cli.return_ends):
                continue  # CR LF is one end of line
            if key in "\r\n":
                self._write("\r\n")
                return line
            if key in "\x7f\b":
                self._write("\b \b" if echo and line else "")
                line = line[:-1]
            elif key == "\x15":
                self._write("\b \b" * len(line) if echo else "")
                line = ""
            elif key == "\x03":
                self._write("^C\r\n")
                return ""
            elif key == "\t" or key.isprintable():
                line += key
                self._write(self._echo(line, key, shown) if echo else "")

    def _echo(self, line: str, key: str, shown: int) -> str:
        """The key as it is shown; a line that has come to the edge moves to the left, as on Cisco's."""
        room = self.cli.width - shown - 1
        if not self.cli.scrolls or self.cli.width == 0 or room < 20 or len(line) < room:
            return key + self.cli.echo_tail
        step = room // 2
        if (len(line) - room) % step:
            return key
        tail = line[-(room - step) :]
        return key + "\b" * (room - 1) + "$" + tail + " " * (step - 2) + "\b" * (step - 2)

    async def _key(self) -> str:
        while not self._chunk:
            self._flush()
            self._chunk = await self._keys.get()
            if not self._chunk:
                raise Hangup
        key, self._chunk = self._chunk[0], self._chunk[1:]
        return key

    def _print(self, text: str) -> None:
        self._write("".join(line + "\r\n" for line in text.split("\n")))

    def _write(self, text: str) -> None:
        self._out.append(text)

    def _flush(self) -> None:
        if self._out:
            self.channel.write("".join(self._out))
            self._out.clear()
