"""One run of nmctl: which daemon it talks to, and how; xmlrpc is loaded at the first call only."""

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nm.shell import values, wording
from nm.shell.failures import (
    CONFIG,
    CONFLICT,
    LIMIT,
    UNKNOWN_METHOD,
    UNREACHABLE,
    USAGE,
    Failure,
    Usage,
    of_fault,
)  # fmt: skip
from nm.shell.output import Output

DEFAULT = "/run/nm/api.sock"
LABS = "/run/nm-lab"
PATIENCE = 5.0  # seconds without an answer until a person is told


@dataclass(frozen=True)
class Choice:
    """An address, and what named it."""

    address: str
    origin: str = ""


def choose_address(address: str | None, lab: str | None, environment: Mapping[str, str]) -> Choice:
    """The address by --address or --host, --lab, NM_ADDRESS, or the default, in that order."""
    if address and lab:
        raise Usage("--address and --lab name two daemons", "give one of them")
    if lab:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", lab):
            raise Usage(f"{lab!r} is not the name of a lab", "`nmctl lab status` lists labs")
        return Choice(f"{LABS}/{lab}/api.sock", "--lab")
    if address:
        return Choice(address, "--address")
    if environment.get("NM_ADDRESS"):
        return Choice(environment["NM_ADDRESS"], "NM_ADDRESS")
    return Choice(DEFAULT)


class Session:
    """The daemon of one run, the present time, and the output."""

    def __init__(
        self,
        choice: Choice,
        output: Output,
        clock: Callable[[], float] = time.time,
        timeout: float | None = None,
        identity: str | None = None,
    ) -> None:
        self.address = choice.address
        self.timeout = timeout
        self.identity = identity
        self.output = output
        self.clock = clock
        self._origin = choice.origin
        self._proxy: Any = None
        self._told = False

    def call(self, method: str, *parameters: Any) -> Any:
        """Call a method of the API; whatever goes wrong is a Failure."""
        import xmlrpc.client

        from nm import client

        try:
            proxy = self._connected()
            with self._patience():
                return getattr(proxy, method)(*map(values.wire, parameters))
        except xmlrpc.client.Fault as fault:
            failure = of_fault(fault.faultCode, fault.faultString)
            if failure.code == UNKNOWN_METHOD and not self.output.json:
                asked = parameters[0] if method.startswith("system.") and parameters else method
                failure.hint = wording.nearest_methods(str(asked))
            raise failure from None
        except client.Busy as error:
            raise Failure(error.message, error.hint, CONFLICT, LIMIT) from None
        except client.Unreachable as error:
            raise Failure(error.message, self._hint(error.hint), UNREACHABLE) from None

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Tells a person once that the daemon is slow to answer."""
        if self._told or not self.output.watched:
            yield
            return
        timer = threading.Timer(PATIENCE, self._tell_of_silence)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _tell_of_silence(self) -> None:
        self._told = True
        self.output.aside(f"nmctl: no answer yet from the daemon at {self.address}")

    def _connected(self) -> Any:
        from nm import client

        if self._proxy is None:
            try:
                self._proxy = client.connect(
                    self.address, self.timeout or client.TIMEOUT, key_file=self.identity
                )
            except client.BadAddress as error:
                status = CONFIG if self._origin == "NM_ADDRESS" else USAGE
                raise Failure(f"{self._origin}: {error.message}", error.hint, status) from None
            if self.address not in (DEFAULT, f"unix://{DEFAULT}"):
                self.output.aside(f"nmctl: talking to the daemon at {self.address}")
        return self._proxy

    def _hint(self, hint: str) -> str:
        labs = running_labs()
        if self.address == DEFAULT and labs:
            return f"{hint}; a lab runs here: nmctl --lab {labs[0]}"
        if self.address.startswith(LABS + "/"):
            return "`nmctl lab status` lists labs, `nmctl lab up` starts one"
        return hint

    def hush(self) -> None:
        """Tell nobody that the daemon is slow: somebody else does."""
        self._told = True

    def another(self) -> "Session":
        """A second one to the same daemon, for another thread."""
        made = Session(
            Choice(self.address, self._origin), self.output, self.clock, self.timeout, self.identity
        )
        made.hush()
        return made

    def move(self, choice: Choice) -> None:
        """Talk to another daemon from now on."""
        self.close()
        self.address, self._origin = choice.address, choice.origin

    def close(self) -> None:
        """End the connection."""
        if self._proxy is not None:
            self._proxy("close")()
            self._proxy = None


def running_labs() -> list[str]:
    """The names of labs that have a socket on this machine."""
    try:
        return sorted(name for name in os.listdir(LABS) if os.path.exists(f"{LABS}/{name}/api.sock"))
    except OSError:
        return []
