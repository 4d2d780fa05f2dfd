"""Who carries out what is ordered for a part of a described pool: the worker of its kind.

One table, so that a new kind of component needs a row here, and a worker that takes errands. Each has one
order, of the fact `part/POOL/PATH`, with the value {"what": a stage of nm/pools/life.py or a step of an
update, "brief": nm/pools/briefs.Brief, "unwanted": asked by who is long at it, whether it may be ended}; it
may come again after a crash. A kind that is not in the table needs nobody: what is ordered for it is done at
once.
"""

from collections.abc import Callable, Mapping

from nm.errors import NotFound
from nm.pools.briefs import DISKS, DOMAINS
from nm.pools.places import host_of
from nm.pools.tree import Part
from nm.records import name_of
from nm.store import Reader

SCRIPTS = "scripts"
Subject = Callable[[Reader, str, Part], str]  # of the records, a pool's name and its part. NotFound: nobody


def domains_of(host: str) -> str:
    """The worker of what pools have on a host."""
    return f"domains:{host}"


def _at_host(reader: Reader, _pool: str, part: Part) -> str:
    host = host_of(reader, part.host)
    if host is None:
        words = f"no host {part.host} is registered" if part.host else "nmd's own machine is no host"
        raise NotFound(words, "RegisterHost it, as qemu:///system where nmd runs")
    return domains_of(name_of(host["record_key"]))


def _scripts(reader: Reader, _pool: str, part: Part) -> str:
    """On nmd's own machine they need no libvirt, so that need not be registered."""
    host = host_of(reader, part.host)
    if host is None and part.host:
        raise NotFound(f"no host {part.host} is registered", "RegisterHost it")
    return f"{SCRIPTS}:{name_of(host['record_key']) if host is not None else ''}"


CARRIERS: Mapping[str, Subject] = {
    **dict.fromkeys((*DOMAINS, *DISKS), _at_host),
    "Script": _scripts,
}
NOT_YET = ("Group", "Node", "Vlan", "HeadNode")  # nothing makes these yet
