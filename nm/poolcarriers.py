"""Who carries out what is ordered for a part of a described pool: the worker of its kind.

One table, so that a new kind of component needs a row here, and a worker that takes errands. An order is of
the fact `part/POOL/PATH` (nm/pools/briefs.order_of); it may come again after a crash. A kind that is not in
the table needs nobody: what is ordered for it is done at once.
"""

from collections.abc import Callable, Mapping

from nm import poolgroups
from nm.errors import NotFound
from nm.pools.briefs import Brief
from nm.pools.kinds import DISKS, DOMAINS, OF_GROUPS
from nm.pools.places import host_of
from nm.pools.tree import Part
from nm.records import name_of
from nm.store import Reader

SCRIPTS = "scripts"
Subject = Callable[[Reader, Part, Brief], str]  # of the records, a part and its brief. NotFound: nobody


def domains_of(host: str) -> str:
    """The worker of what pools have on a host."""
    return f"domains:{host}"


def _at_host(reader: Reader, part: Part, _brief: Brief) -> str:
    host = host_of(reader, part.host)
    if host is None:
        words = f"no host {part.host} is registered" if part.host else "nmd's own machine is no host"
        raise NotFound(words, "RegisterHost it, as qemu:///system where nmd runs")
    return domains_of(name_of(host["record_key"]))


def _scripts(reader: Reader, part: Part, _brief: Brief) -> str:
    """On nmd's own machine they need no libvirt, so that need not be registered."""
    host = host_of(reader, part.host)
    if host is None and part.host:
        raise NotFound(f"no host {part.host} is registered", "RegisterHost it")
    return f"{SCRIPTS}:{name_of(host['record_key']) if host is not None else ''}"


def _at_group(_reader: Reader, _part: Part, brief: Brief) -> str:
    return poolgroups.subject(brief.group_name)


CARRIERS: Mapping[str, Subject] = {
    **dict.fromkeys((*DOMAINS, *DISKS), _at_host),
    "Script": _scripts,
    **dict.fromkeys(OF_GROUPS, _at_group),
}
TOGETHER = OF_GROUPS  # orders that are given at once are one errand, and so one change
LET_GO = OF_GROUPS  # what waits for jobs only, so that who wants it no more need not wait for the answer
