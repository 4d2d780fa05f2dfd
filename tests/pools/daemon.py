"""nmd as a program in a folder of its own, which may be killed; for described pools."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from nm.client import ClientError, connect
from nm.jobs import OVER
from tests import untraced
from tests.waiting import until


class Daemon:
    """Images and what descriptions name lie in these folders; scripts are that user's."""

    def __init__(self, folder: Path, *images: Path, user: str = "nobody", patience: float = 120.0) -> None:
        self.socket, self._patience = folder / "api.sock", patience
        self._config, self._said = folder / "nm.toml", folder / "said"
        folders = ", ".join(f'"{image}"' for image in images)
        self._config.write_text(
            f'[daemon]\ndatabase = "{folder}/db"\nlock = "{folder}/lock"\n'
            f'pid_file = "{folder}/pid"\nlog = ""\n'
            f'[api]\nsocket = "{self.socket}"\ntcp = false\n[export]\nfolder = "{folder}/export"\n'
            f'[secrets]\nfolder = "{folder}/secrets"\n[images]\nfolders = [{folders}]\n'
            f'[descriptions]\nshells = true\nuser = "{user}"\nfolders = [{folders}]\n'
        )
        self.start()

    def start(self) -> None:
        """Start it where none runs."""
        command = [sys.executable, "-m", "nm.daemon", "--config", str(self._config)]
        with open(self._said, "a") as said:
            self.process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=said, env=untraced.environment()
            )
        until(self._answers, self._patience)

    def _answers(self) -> bool:
        try:
            self.call("GetHosts", {})
        except (ClientError, OSError):
            return False
        return True

    def call(self, method: str, *arguments: Any) -> Any:
        """As root on its socket."""
        with connect(str(self.socket)) as proxy:
            return getattr(proxy, method)(*arguments)

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> None:
        """As systemd would."""
        self.process.terminate()
        self.process.wait(60)

    def state(self) -> str:
        """How it stands with the one description."""
        found = self.call("GetDescriptions", {})
        return str(found[0]["state"]) if found else "absent"

    def over(self, job: int) -> dict[str, Any]:
        """The job when it is over, good or bad."""
        with suppress(AssertionError):
            until(lambda: self.call("GetJobs", {"id": job})[0]["state"] in OVER, self._patience)
        found: dict[str, Any] = self.call("GetJobs", {"id": job})[0]
        said: Sequence[Any] = (found, self.call("GetDescriptions", {}), self._said.read_text()[-8000:])
        assert found["state"] in OVER, said
        return found
