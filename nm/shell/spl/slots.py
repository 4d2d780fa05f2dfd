"""What may stand in a slot of the grammar: its form, how it is called, and which names complete it. Pure."""

import re
from dataclasses import dataclass

from nm.shell.wording import clipped

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_NUMBERS = r"\d+(-\d+)?"


@dataclass(frozen=True)
class Kind:
    """A kind of slot."""

    spoken: str
    form: str  # of one word
    source: str = ""  # what completes it, see names.py
    listed: bool = False  # several, with commas or spaces
    refusal: str = ""  # said in place of the word, which may be a password
    hint: str = ""
    choices: tuple[str, ...] = ()

    def refused(self, word: str) -> str:
        """Why the word cannot stand here; empty when it can."""
        if re.fullmatch(self.form, word):
            return ""
        return self.refusal or f"{clipped(word)!r} is not {self.spoken}"


def _listed(one: str) -> str:
    """One or more with commas between them; a comma may also stand where a space follows."""
    return f",?({one})(,({one}))*,?"


RIGHTS = ("spy", "describe", "reserve")
_RIGHT = rf"({'|'.join(RIGHTS)})|reserve\.\w+=.*"
NIC_NAMES = ("pxe", "ipmi", "data0", "data1")
ANY = r"[^-].*|"

KINDS: dict[str, Kind] = {
    "group": Kind("the name of a group", r"[^-=][^=]*", "group"),
    "new": Kind("a name", _NAME),
    "groups": Kind("the name of a group", _listed(_NAME), "group", listed=True),
    "node": Kind("the name of a node", _NAME, "node"),
    "nodes": Kind("the name of a node", _listed(_NAME), "node", listed=True),
    "free-nodes": Kind("the name of a node", _listed(_NAME), "free node", listed=True),
    "taken-nodes": Kind("the name of a node", _listed(_NAME), "taken node", listed=True),
    "vlan": Kind("a VLAN's id", r"\d+", "vlan"),
    "free-vlan": Kind("a VLAN's id", r"\d+", "free vlan"),
    "new-vlan": Kind("a VLAN's id", r"\d+"),
    "vlans": Kind("a VLAN's id, or a range", _listed(_NUMBERS), "vlan", listed=True),
    "new-vlans": Kind("a VLAN's id, or a range", _listed(_NUMBERS), listed=True),
    "headnode": Kind("the name of a head node", _NAME, "headnode"),
    "headnodes": Kind("the name of a head node", _listed(_NAME), "headnode", listed=True),
    "free-headnode": Kind("the name of a head node", _NAME, "free headnode"),
    "switch": Kind("the name of a switch", _NAME, "switch"),
    "switches": Kind("the name of a switch", _listed(_NAME), "switch", listed=True),
    "trunk": Kind("the name of a trunk", _NAME, "trunk"),
    "trunks": Kind("the name of a trunk", _listed(_NAME), "trunk", listed=True),
    "host": Kind("the name of a host", _NAME, "host"),
    "hosts": Kind("the name of a host", _listed(_NAME), "host", listed=True),
    "user": Kind("the name of a user", _NAME, "user"),
    "users": Kind("the name of a user", _listed(_NAME), "user", listed=True),
    "port": Kind("a port, as SWITCH:PORT", rf"{_NAME}:.+", "port"),
    "ports": Kind("a port's name", r"[^-,][^,]*(,[^,]+)*,?", listed=True),
    "port-of": Kind("a port's name", ANY),
    "place": Kind("a port, as SWITCH:PORT or its id", rf"{_NAME}(:.+)?", "port"),
    "device": Kind("a device, as HOST:DEVICE", rf"{_NAME}:.+"),
    "nic": Kind("a NIC, as NODE:NIC or its id", rf"{_NAME}(:{_NAME})?", "nic"),
    "mac": Kind("a MAC, as 52:54:00:00:00:01", r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|[0-9A-Fa-f]{12}"),
    "nic-name": Kind("the name of a NIC", _NAME, choices=NIC_NAMES),
    "word": Kind("a word", ANY),
    "setting": Kind("KEY=VALUE", r"[^-=][^=]*=.*"),
    "rights": Kind(
        "a right",
        _RIGHT,
        choices=RIGHTS,
        refusal="what follows the name is no right, and passwords are not taken",
        hint="people prove who they are by SSH keys: create user alice reserve --key-file alice.pub",
    ),
    "rights-or-none": Kind("a right, or none", f"{_RIGHT}|none", choices=(*RIGHTS, "none")),
    "rest": Kind("a word", ".*"),
}


def separate(words: list[str]) -> list[str]:
    """The values in words with commas between them."""
    return [value for word in words for value in word.split(",") if value]
