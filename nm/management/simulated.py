"""A power switch in a file: for tests, and to learn nm by. It executes what it is told and is read back."""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from nm.errors import DeviceFailed
from nm.processor import Settings


class SimulatedPower:
    """A state file: {"power": "on"|"off", "boot": "pxe"|"disk", "fault": null|"silent"|"idle"|"deaf"}.

    Fault silent: never answers. Fault idle: says yes and does nothing. Fault deaf: its system does not hear
    that it is to shut down. A file that is not there is a node that is off; one that holds anything else is
    left alone.
    """

    kind: ClassVar[str] = "simulated"
    settings: ClassVar[Settings] = Settings({"file": str}, frozenset({"file"}))

    def __init__(self, management: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._file = Path(management["file"])

    def is_on(self) -> bool:
        """As the file says."""
        return bool(self._load()["power"] == "on")

    def switch(self, on: bool) -> None:
        """Write it, unless idle."""
        self._change(power="on" if on else "off")

    def ask_to_stop(self) -> None:
        """Write it, unless idle or deaf."""
        if self._load().get("fault") != "deaf":
            self._change(power="off")

    def boot_from(self, device: str) -> None:
        """Write it, unless idle."""
        self._change(boot=device)

    def boots_from(self) -> str | None:
        """As the file says."""
        return str(self._load().get("boot", "disk"))

    def close(self) -> None:
        """Nothing is held open."""

    def _load(self) -> dict[str, Any]:
        try:
            with open(
                os.open(self._file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8"
            ) as file:
                state = json.load(file) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None
        except FileNotFoundError:
            state = {"power": "off", "boot": "disk"}
        except (OSError, ValueError):
            state = None
        if not isinstance(state, dict) or state.get("power") not in ("on", "off"):
            raise DeviceFailed(
                f"{self._file} is not the state of a simulated node", "name another file", passing=False
            )
        if state.get("fault") == "silent":
            raise DeviceFailed(f"the simulated management at {self._file} does not answer")
        return state

    def _change(self, **fields: str) -> None:
        state = self._load()
        if state.get("fault") == "idle":
            return
        new = self._file.with_name(f".{self._file.name}.new")
        try:
            new.unlink(missing_ok=True)
            with open(
                os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
            ) as file:
                json.dump({**state, **fields}, file)
            new.rename(self._file)
        except OSError as error:
            raise DeviceFailed(f"{self._file}: {error.strerror}", "see that its folder is there") from error
