"""Which registered host a component is made on. Pure."""

from nm.hypervisor import machine_of
from nm.records import Record, in_order, record_key
from nm.store import Reader


def host_of(reader: Reader, host: str) -> Record | None:
    """The host that sfProcessHost means: one of that name, or whose libvirt is on the machine of that name.

    "" is the machine of nmd's own. None when no registered host is meant.
    """
    named = reader.get(record_key("host", host)) if host else None
    if named is not None:
        return named
    machine = "" if host == "localhost" else host.lower()
    alike = (one for one in reader.range("host") if machine_of(one["uri"]) == machine)
    return next(iter(in_order(alike)), None)
