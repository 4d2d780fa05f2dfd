"""What snmpd asks by its pass_persist: a stateful switch with the standard's MIBs or Cisco's.

A program of its own (`python agent.py SOCKET`), standard library only. snmpd speaks to it by its stdin and
stdout, the test by the Unix socket: one JSON object a line, answered by one. It executes what it is told by
the rules of the MIBs, keeps running and startup state apart, and has faults.
"""

import bisect
import copy
import fnmatch
import json
import os
import select
import socket
import sys
from typing import Any

Oid = tuple[int, ...]
Refused = str | None  # pass_persist's word for why a value is not set

NO_FAULTS: dict[str, Any] = {
    "reject": [],  # [pattern of OID=VALUE, pass_persist's word]
    "once": [],  # the same, for the next value of each pattern only
    "late": [],  # the same: it is set, and the answer is that of a second try, the first one's was lost
    "lie": [],  # patterns of OID=VALUE that are answered with yes and not done
    "hush": "",  # pattern of OID=VALUE: told that, it falls silent
    "silent": False,  # no answer at all until it is lifted
    "save": "",  # why saving fails
    "apply": 2,  # vtpVlanApplyStatus after an apply
}

Q = "1.3.6.1.2.1.17.7.1.4"
IF_NAME, IF_DESCR, ADMIN = "1.3.6.1.2.1.31.1.1.1.1", "1.3.6.1.2.1.2.2.1.2", "1.3.6.1.2.1.2.2.1.7"
BASE_PORT, PVID, FRAMES, FILTER = "1.3.6.1.2.1.17.1.4.1.2", f"{Q}.5.1.1", f"{Q}.5.1.2", f"{Q}.5.1.3"
NAME, EGRESS, UNTAGGED, ROW = f"{Q}.3.1.1", f"{Q}.3.1.2", f"{Q}.3.1.4", f"{Q}.3.1.5"
VTP = "1.3.6.1.4.1.9.9.46.1"
VLAN_STATE = f"{VTP}.3.1.1.2"
OPERATION, APPLIED, OWNER = f"{VTP}.4.1.1.1", f"{VTP}.4.1.1.2", f"{VTP}.4.1.1.3"
EDIT, EDIT_ROW = f"{VTP}.4.2.1", f"{VTP}.4.2.1.11"
TRUNK = f"{VTP}.6.1.1"
ENCAPSULATION, NATIVE, MODE = f"{TRUNK}.3", f"{TRUNK}.5", f"{TRUNK}.13"
ALLOWED = [f"{TRUNK}.{place}" for place in (4, 17, 18, 19)]
ACCESS = "1.3.6.1.4.1.9.9.68.1.2.2.1.2"
VOICE = "1.3.6.1.4.1.9.9.68.1.5.1.1.1"
COPY, COPY_STATE, COPY_CAUSE, COPY_ROW = (
    f"1.3.6.1.4.1.9.9.96.1.1.1.1{part}" for part in ("", ".10", ".13", ".14")
)
SAVE = "1.3.6.1.4.1.8072.9999.1.0"  # set to 1, it saves
CREATABLE = (f"{NAME}.", f"{ROW}.", f"{EDIT}.", f"{COPY}.3.", f"{COPY}.4.", f"{COPY_ROW}.", SAVE)
MODELS = {"qbridge": "1.3.6.1.4.1.8072.3.2.10", "cisco": "1.3.6.1.4.1.9.1.1208"}


def oid_of(text: str) -> Oid:
    return tuple(map(int, text.strip(".").split(".")))


def dotted(oid: Oid) -> str:
    return ".".join(map(str, oid))


class Switch:
    """The cells of its MIBs by OID: an int, or text in hexadecimal. `numbers` are written as Unsigned32."""

    def __init__(
        self,
        model: str = "qbridge",
        ports: list[str] | None = None,
        named: bool = True,
        isolated: bool = False,
    ) -> None:
        self.model = model
        self.cells: dict[str, int | str] = {}
        self.faults = copy.deepcopy(NO_FAULTS)
        self.sessions = 0  # runs of changes to VLANs
        self.refused = False  # something of the request that it is about
        self.changed: set[str] = set()  # by that request
        self.last_set = ""
        self.journal: list[str] = []  # what it was told to set
        self.buffer: dict[int, bool] | None = None  # Cisco's edit buffer
        for place, port in enumerate(ports or [], 1):
            index = 10100 + place
            if named:
                self.cells[f"{IF_NAME}.{index}"] = port.encode().hex()
            self.cells[f"{IF_DESCR}.{index}"] = f"Ethernet {place}".encode().hex()
            self.cells[f"{ADMIN}.{index}"] = 1
            self._factory_port(index, place)
        if model == "qbridge":
            bits = "ff" * 8
            self.cells |= {
                f"{NAME}.1": b"default".hex(),
                f"{EGRESS}.1": bits,
                f"{UNTAGGED}.1": bits,
                f"{ROW}.1": 1,
            }
        else:
            self.cells |= {f"{VLAN_STATE}.1.{vlan}": 1 for vlan in (1, 1002, 1003, 1004, 1005)}
            self.cells |= {f"{OPERATION}.1": 1, f"{APPLIED}.1": 2, f"{OWNER}.1": ""}
        self.cells["1.3.6.1.4.1.9.9.1.0"] = 1  # something behind the last table
        if isolated:
            self._isolate()
        self.startup = dict(self.cells)
        self._order()

    def _isolate(self) -> None:
        """Of the standard's model: as nm isolates."""
        for cell in self.cells:
            if cell.startswith((f"{ADMIN}.", f"{FILTER}.")):
                self.cells[cell] = 2 if cell.startswith(ADMIN) else 1
        self.cells |= {f"{EGRESS}.1": "00" * 8, f"{UNTAGGED}.1": "00" * 8}

    def _factory_port(self, index: int, place: int) -> None:
        if self.model == "qbridge":
            self.cells |= {f"{BASE_PORT}.{place}": index, f"{PVID}.{place}": 1}
            self.cells |= {f"{FRAMES}.{place}": 1, f"{FILTER}.{place}": 2}
            return
        every = "ff" * 128
        bitmaps = ["7f" + every[2:], every, every, every[:-2] + "fe"]
        self.cells |= {f"{cell}.{index}": bits for cell, bits in zip(ALLOWED, bitmaps, strict=True)}
        self.cells |= {f"{ENCAPSULATION}.{index}": 5, f"{NATIVE}.{index}": 1, f"{MODE}.{index}": 4}
        self.cells |= {f"{ACCESS}.{index}": 1, f"{VOICE}.{index}": 4096}

    def _order(self) -> None:
        self.order = sorted(map(oid_of, self.cells))

    # --- what snmpd asks ---

    def get(self, oid: Oid) -> list[str]:
        text = dotted(oid)
        self.refused, self.changed = False, set()  # each request begins by reading
        if text == "1.3.6.1.2.1.1.2.0":
            return ["." + text, "objectid", "." + MODELS[self.model]]
        if text == "1.3.6.1.2.1.1.1.0":
            return ["." + text, "string", f"Fake switch with {self.model}"]
        if text.startswith(f"{COPY_STATE}.") and self.cells.get(text) == 2:
            self.cells[text] = 4 if self.faults["save"] else 3  # running until somebody has looked
            self.startup = self.startup if self.faults["save"] else self._kept()
            return ["." + text, "integer", "2"]
        value = self.cells.get(text)
        if value is None and text.startswith(CREATABLE):
            return ["." + text, "integer", "0"]  # snmpd asks before it sets, and sets only what it is told of
        if value is None or self._hidden(oid):
            return ["NONE"]
        if isinstance(value, str):
            return (
                ["." + text, "octet", bytes.fromhex(value).hex(" ")] if value else ["." + text, "string", ""]
            )
        return ["." + text, "gauge" if text.startswith(f"{PVID}.") else "integer", str(value)]

    def _hidden(self, oid: Oid) -> bool:
        """A trunk is no access port."""
        return dotted(oid[:-1]) == ACCESS and self.cells[f"{MODE}.{oid[-1]}"] in (1, 5)

    def getnext(self, oid: Oid) -> list[str]:
        place = bisect.bisect_right(self.order, oid)
        while place < len(self.order) and self._hidden(self.order[place]):
            place += 1
        return self.get(self.order[place]) if place < len(self.order) else ["NONE"]

    def set(self, oid: Oid, said: str) -> str:
        """All or nothing, as far as snmpd lets: after a refusal it still asks for the rest of the request."""
        kind, _, value = said.partition(" ")
        text = value[1:-1] if kind in ("string", "octet") else value
        content: int | str = (
            text.encode().hex()
            if kind == "string"
            else text.replace(" ", "")
            if kind == "octet"
            else int(text)
        )
        if self.refused:
            return "commit-failed"
        what = f"{dotted(oid)}={content}"
        if fnmatch.fnmatchcase(what, self.faults["hush"]):
            return ""
        self.journal.append(what)
        lies = any(fnmatch.fnmatchcase(what, pattern) for pattern in self.faults["lie"])
        word = self._fault(what, "reject", "once") or ("DONE" if lies else self._execute(oid, content))
        self.refused = word != "DONE"
        return self._fault(what, "late") or word

    def _fault(self, what: str, *kinds: str) -> Refused:
        for kind in kinds:
            for fault in self.faults[kind]:
                if fnmatch.fnmatchcase(what, fault[0]):
                    if kind != "reject":
                        self.faults[kind] = [one for one in self.faults[kind] if one is not fault]
                    return str(fault[1])
        return None

    def _execute(self, oid: Oid, content: int | str) -> str:
        column, index = dotted(oid[:-1]), oid[-1]
        vlans = column.startswith(EDIT) or column in (NAME, ROW, OPERATION, OWNER)
        self.sessions += vlans and self.last_set != "vlans"
        self.last_set = "vlans" if vlans else "ports"
        rules = self._qbridge if self.model == "qbridge" else self._cisco
        if column == ADMIN:
            return self._cell(oid, content)
        if dotted(oid) == SAVE:
            if self.faults["save"]:
                return "commit-failed"
            self.startup = self._kept()
            return "DONE"
        refused = rules(column, index, content, oid)
        self._order()
        return refused or "DONE"

    def _cell(self, oid: Oid, value: int | str) -> str:
        if dotted(oid) not in self.cells:
            return "no-creation"
        self.cells[dotted(oid)] = value
        return "DONE"

    def _kept(self) -> dict[str, int | str]:
        return {oid: value for oid, value in self.cells.items() if not oid.startswith(f"{COPY}.")}

    # --- Q-BRIDGE-MIB ---

    def _qbridge(self, column: str, index: int, value: int | str, oid: Oid) -> Refused:
        if column == ROW:
            return self._vlan_row(index, value)
        if dotted(oid) not in self.cells:
            return "no-creation"
        if column == PVID and value != 1 and not self._has(EGRESS, int(value), index):
            return "inconsistent-value"  # neither there, nor is the port in it
        if column == UNTAGGED and bits(value) - bits(self.cells[f"{EGRESS}.{index}"]):
            return "inconsistent-value"
        if column == EGRESS and bits(self.cells[f"{UNTAGGED}.{index}"]) - bits(value):
            return "inconsistent-value"
        self.cells[dotted(oid)] = value
        return None

    def _vlan_row(self, vlan: int, status: int | str) -> Refused:
        there = f"{ROW}.{vlan}" in self.cells
        if status == 4 and not there and 0 < vlan < 4095:
            self.cells |= {f"{ROW}.{vlan}": 1, f"{NAME}.{vlan}": ""}
            self.cells |= {f"{EGRESS}.{vlan}": "00" * 8, f"{UNTAGGED}.{vlan}": "00" * 8}
            return None
        used = vlan in [value for oid, value in self.cells.items() if oid.startswith(f"{PVID}.")]
        if status == 6 and vlan != 1 and not used:
            for column in (ROW, NAME, EGRESS, UNTAGGED):
                self.cells.pop(f"{column}.{vlan}", None)
            return None
        return "inconsistent-value"

    def _has(self, column: str, vlan: int, port: int) -> bool:
        return port in bits(self.cells.get(f"{column}.{vlan}", ""))

    # --- Cisco's ---

    def _cisco(self, column: str, index: int, value: int | str, oid: Oid) -> Refused:
        if column == OPERATION:
            return self._operate(int(value))
        if column.startswith(EDIT):
            return self._edit(oid, value)
        if column == OWNER:
            return None if self.buffer is not None and self._cell(oid, value) else "inconsistent-value"
        if column.startswith(COPY):
            return self._copy(column, value, oid)
        if dotted(oid) not in self.cells:
            return "no-creation"
        mode = self.cells[f"{MODE}.{index}"]
        if column == ACCESS and (f"{VLAN_STATE}.1.{value}" not in self.cells or mode in (1, 5)):
            return "inconsistent-value"
        dot1q = self.cells[f"{ENCAPSULATION}.{index}"] == 4 and f"{ENCAPSULATION}.{index}" not in self.changed
        if column == MODE and value in (1, 5) and not dot1q:
            return "inconsistent-value"  # "trunk encapsulation auto" can be no trunk
        self.cells[dotted(oid)] = value
        self.changed.add(dotted(oid))
        return None

    def _operate(self, operation: int) -> Refused:
        if operation == 2 and self.buffer is None:
            self.buffer = {}
        elif operation == 3 and self.buffer is not None:
            self.cells[f"{APPLIED}.1"] = self.faults["apply"]
            for vlan, there in self.buffer.items() if self.faults["apply"] == 2 else ():
                self.cells.pop(f"{VLAN_STATE}.1.{vlan}", None)
                self.cells |= {f"{VLAN_STATE}.1.{vlan}": 1} if there else {}
        elif operation == 4:
            self.buffer = None
            self.cells[f"{OWNER}.1"] = ""
        else:
            return "inconsistent-value"
        return None

    def _edit(self, oid: Oid, value: int | str) -> Refused:
        vlan = oid[-1]
        if self.buffer is None or oid[-2] != 1:
            return "inconsistent-name"
        if dotted(oid[:-2]) != EDIT_ROW:
            return None if self.buffer.get(vlan) else "no-creation"
        there = self.buffer.get(vlan, f"{VLAN_STATE}.1.{vlan}" in self.cells)
        if there == (value == 4) or vlan == 1:
            return "inconsistent-value"
        self.buffer[vlan] = value == 4
        return None

    def _copy(self, column: str, value: int | str, oid: Oid) -> Refused:
        row = f"{COPY_ROW}.{oid[-1]}"
        if column == COPY_ROW and value == 6:
            for cell in [cell for cell in self.cells if cell.startswith(f"{COPY}.")]:
                del self.cells[cell]
        elif row in self.cells:
            return "inconsistent-value"
        elif column == COPY_ROW:
            asked = (self.cells.get(f"{COPY}.3.{oid[-1]}"), self.cells.get(f"{COPY}.4.{oid[-1]}"))
            if asked != (4, 3):
                return "inconsistent-value"
            self.cells |= {row: 1, f"{COPY_STATE}.{oid[-1]}": 2, f"{COPY_CAUSE}.{oid[-1]}": 4}
        else:
            self.cells[dotted(oid)] = value
        return None

    # --- what the test asks ---

    def fall_silent(self) -> str:
        """Until it is lifted; then it says that it did not do what it was told."""
        self.faults["silent"] = True
        return "resource-unavailable"

    def restart(self) -> None:
        """As after a power cut."""
        self.cells, self.buffer = dict(self.startup), None
        self._order()

    def command(self, asked: dict[str, Any]) -> Any:
        match asked.pop("do"):
            case "cells":
                return {
                    "cells": self.cells,
                    "startup": self.startup,
                    "sessions": self.sessions,
                    "journal": self.journal,
                }
            case "put":
                self.cells |= asked["cells"]
                self._order()
            case "faults":
                self.faults |= asked
            case "restart":
                self.restart()
            case "new":
                self.__dict__ = Switch(**asked).__dict__
        return {}


def bits(text: int | str) -> set[int]:
    """The ports of a bitmap."""
    octets = bytes.fromhex(str(text))
    return {
        8 * place + bit + 1 for place, octet in enumerate(octets) for bit in range(8) if octet & 0x80 >> bit
    }


class Lines:
    """Whole lines of a file descriptor."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.rest = b""

    def waiting(self) -> bool:
        return b"\n" in self.rest

    def fill(self) -> bool:
        chunk = os.read(self.fd, 65536)
        self.rest += chunk
        return bool(chunk)

    def take(self) -> str:
        while not self.waiting() and self.fill():
            pass
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode()


def answer(switch: Switch, snmpd: Lines) -> None:
    """Answer one request of snmpd's, which also sends blank lines."""
    asked = snmpd.take()
    if asked == "PING":
        said = ["PONG"]
    elif asked == "get":
        said = switch.get(oid_of(snmpd.take()))
    elif asked == "getnext":
        said = switch.getnext(oid_of(snmpd.take()))
    elif asked == "set":
        said = [switch.set(oid_of(snmpd.take()), snmpd.take()) or switch.fall_silent()]
    else:
        return
    os.write(1, "".join(f"{line}\n" for line in said).encode())


def main(path: str) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    switch, snmpd = Switch(), Lines(0)
    tests: dict[int, tuple[socket.socket, Lines]] = {}
    while True:
        while snmpd.waiting() and not switch.faults["silent"]:
            answer(switch, snmpd)
        sources = [listener.fileno(), *tests, *([] if switch.faults["silent"] else [0])]
        for fd in select.select(sources, [], [])[0]:
            if fd == 0:
                if not snmpd.fill():
                    return
            elif fd == listener.fileno():
                connection, _ = listener.accept()
                tests[connection.fileno()] = (connection, Lines(connection.fileno()))
            elif not tests[fd][1].fill():
                return  # the test is over; while silent, nobody else would tell
            else:
                connection, lines = tests[fd]
                connection.sendall(json.dumps(switch.command(json.loads(lines.take()))).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1])
