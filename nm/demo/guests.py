"""People from elsewhere, in the world of a lab that is an aggregate, and what they do by `nmctl geni`."""

import json
from typing import Any

from nm.demo.show import Show
from nm.lab import federation
from nm.lab.layout import WORLD
from nm.lab.place import Lab
from nm.lab.running import INSIDE

PATIENCE = 60.0  # seconds for a command
_TOLD = '"$@" 2>&1; echo "exit status $?"'


class Guest:
    """One of them, with a slice."""

    def __init__(self, lab: Lab, show: Show, name: str) -> None:
        self.name, self.slice = name, federation.PEOPLE[name]
        self._lab, self._show = lab, show
        self._nodes = [node.name for node in lab.layout.rack]

    def write(self, file: str, text: str) -> None:
        """A file beside the things in the wallet, where all commands are given."""
        (federation.wallet(self._lab, self.name) / file).write_text(text)

    def does(self, *words: str) -> None:
        """Give a command, and show it with what it says. LabError when it fails."""
        self._prompt(words)
        self._tell(self._call(*words))

    def fails(self, *words: str) -> bool:
        """The same of one that must; whether it does."""
        self._prompt(words)
        said = self._lab.run(["sh", "-c", _TOLD, "sh", *self._command(*words)], WORLD, PATIENCE)
        self._tell(said)
        return not said.endswith("exit status 0\n")

    def status(self) -> dict[str, str]:
        """Node -> the operational state of its sliver."""
        slivers = json.loads(self._call("status", self.slice, "--tostdout"))["geni_slivers"]
        return {self._node(one): str(one["geni_operational_status"]) for one in slivers}

    def is_ready(self) -> bool:
        """Whether all slivers are."""
        return set(self.status().values()) == {"geni_ready"}

    def free(self) -> list[str]:
        """Nodes that are advertised as free."""
        text = self._call("listresources", "--available", "--tostdout")
        return [node for node in self._nodes if f'component_name="{node}"' in text]

    def _node(self, sliver: Any) -> str:
        """A sliver's name has that of its node between dots."""
        return next(node for node in self._nodes if f".{node}." in str(sliver["geni_sliver_urn"]))

    def _prompt(self, words: tuple[str, ...]) -> None:
        self._show.say(f"  {self.name}$ am {' '.join(words)}", "bold")

    def _tell(self, said: str) -> None:
        for line in said.splitlines():
            self._show.say(f"    {line}")

    def _call(self, *words: str) -> str:
        return self._lab.run(self._command(*words), WORLD, PATIENCE)

    def _command(self, *words: str) -> list[str]:
        wallet = f"{INSIDE}/{federation.FOLDER}/users/{self.name}"
        where = ["env", f"--chdir={wallet}", f"NM_GENI_WALLET={wallet}"]
        return [*where, "nmctl", "geni", "-a", federation.URL, *words]
