"""Who reaches whom in a lab, by real packets: every node and every running head node pings.

Called by the demo and by tests. Nodes ping in their namespaces; a head node is asked through its
second serial port, whose socket lies in the lab. All ask at the same time.
"""

import contextlib
import secrets
import socket
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nm.lab import guest
from nm.lab.place import Lab

Pair = tuple[str, str]  # who asks, who is asked
SECONDS = 15.0  # for one machine to ask all others: three tries each, in a guest that may be slow
SCRIPT = Path(__file__).with_name("reach.sh")


def reached(lab: Lab, asked: Mapping[str, Collection[str]]) -> dict[str, set[str] | None]:
    """Of the machines that each asks, those that answer. None for a head node that cannot be asked."""
    with ThreadPoolExecutor(max_workers=max(1, len(asked))) as threads:
        rows = threads.map(lambda name: _row(lab, name, asked[name]), asked)
        return dict(zip(asked, rows, strict=True))


def _row(lab: Lab, name: str, others: Collection[str]) -> set[str] | None:
    addresses = lab.layout.addresses
    names = {addresses[other]: other for other in others}
    if name in {head.name for head in lab.layout.heads}:
        found = _ask_guest(lab, name, list(names))
    else:
        found = lab.run(["sh", str(SCRIPT), *names], node=name).split()
    return None if found is None else {names[address] for address in found}


def answers(lab: Lab, head: str) -> bool:
    """Whether that head node runs and is ready to be asked."""
    return _ask_guest(lab, head, [], seconds=1.0) is not None


def _ask_guest(lab: Lab, head: str, addresses: list[str], seconds: float = SECONDS) -> list[str] | None:
    """One question to a guest's agent. What it was asked earlier and answers now is passed over."""
    number = secrets.token_hex(4)  # clients that came before may have asked as well
    path = f"/proc/{lab.need().holder}/root{guest.agent(head)}"
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
        agent.settimeout(seconds)
        agent.connect(path)
        agent.sendall(" ".join(["ask", number, *addresses, "\n"]).encode())
        with agent.makefile("rb") as lines:
            for line in lines:
                words = line.decode(errors="replace").split()
                if words[:1] == [number]:
                    return words[1:]
    return None
