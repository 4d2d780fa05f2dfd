"""What was last read of a port, and when.

Whatever is read of a port and differs from what its record says is written down. An audit that sees the
same again writes nothing of the port, only when it read the switch: one record for all switches. So a port
was last read when its record says so, or by the last audit of its switch (one of its group notes that in the
group's record), whichever is later. Pure.
"""

from collections.abc import Mapping

from nm import debts, facts, views
from nm.pool import uses
from nm.records import Record, changed, new, record_key
from nm.store import Reader, Transaction

PATROL = record_key("meta", "patrol")  # when everything, and when each switch, was looked at last


def patrolled_at(reader: Reader) -> int:
    """When everything was looked at last; 0 for never."""
    record = reader.get(PATROL)
    return int(record["at"]) if record is not None else 0


def patrolled(tx: Transaction, read: Mapping[str, float], now: float, at: float | None = None) -> None:
    """These switches were read whole at those times; `at`: everything was looked at then.

    Of a switch that is out of service only what groups have there is read.
    """
    known = tx.get(PATROL) or new("meta", "patrol", now, at=0)
    times = {
        switch: time
        for switch, time in {**known.get("read", {}), **read}.items()
        if (record := tx.get(record_key("switch", switch))) is not None and record["available"]
    }
    tx.put(changed(known, now, at=known["at"] if at is None else int(at), read=times))


def audited(reader: Reader) -> Mapping[str, float]:
    """When audits last read each switch; what they saw of one that is in debt may be another device's."""
    times: Mapping[str, float] = (reader.get(PATROL) or {}).get("read", {})
    return {switch: at for switch, at in times.items() if debts.of_switch(reader, switch) is None}


def refreshed(reader: Reader, port: Record, times: Mapping[str, float]) -> Record:
    """The port's record; with the time of its switch's last audit where that has seen the same again."""
    at = times.get(port["switch"], 0)
    if not port["_seen"]:
        return port
    if port["trunk"] is not None or not uses.untouchable(reader, [port]):
        read = views.is_known(port)  # as nm.audits.expected has it
    else:
        group = _deployed_by(reader, port)
        read = group is not None
        at = max(at, ((group or {}).get("_audit") or {}).get("read", {}).get(port["switch"], 0))
    later = at > max(port["_read_at"] or 0, port["timestamp"])
    return {**port, "_read_at": at} if read and later else port


def _deployed_by(reader: Reader, port: Record) -> Record | None:
    """The group whose audits read the port: it is deployed, and nobody doubts that."""
    node = reader.get(record_key("node", port["node"]))
    group = reader.get(record_key("group", node["group"])) if node and node["group"] else None
    value = (group or {}).get("deployed", {}).get(facts.name("port", port["switch"], port["port"]))
    return group if group and not group["destroying"] and value and "doubt" not in value else None
