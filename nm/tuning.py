"""What running domains get of this host, by libvirt: weights, processors, memory, set while they run.

Stands behind nm.hypervisor.Tuning, and shares the connection of nm.libvirt_host. A domain that is off is
never asked: libvirt 9 ends itself when it is asked for the weight of a container whose start failed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import libvirt

from nm import cgroups
from nm.errors import DeviceFailed
from nm.hypervisor import NotLive
from nm.storage import Connected

T = TypeVar("T")

_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
_WEIGHT, _LIMIT = "cpu_shares", "hard_limit"
_GONE = (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID)


class LibvirtTuning:
    """The running domains of one host; nm.hypervisor.Tuning says what the methods promise."""

    def __init__(self, call: Connected) -> None:
        self._call = call

    def processors(self) -> int:
        """As libvirt counts them."""
        return self._call(lambda connection: int(connection.getInfo()[2]))

    def weights(self, domains: Sequence[str]) -> dict[str, int]:
        """By cpu_shares, which libvirt calls it for either version of control groups."""

        def read(connection: libvirt.virConnect) -> dict[str, int]:
            found = {name: _running(connection, name, _weight) for name in domains}
            return {name: weight for name, weight in found.items() if weight is not None}

        return self._call(read)

    def weigh(self, wanted: Mapping[str, int]) -> list[str]:
        """Each is read first: a weight that is right is not set again."""

        def change(connection: libvirt.virConnect) -> list[str]:
            return [name for name, weight in wanted.items() if _running(connection, name, _weigher(weight))]

        return self._call(change)

    def pinned(self, domain: str) -> frozenset[int] | None:
        """Of a machine by libvirt, of a container by its control group."""

        def read(found: libvirt.virDomain) -> frozenset[int] | None:
            if _is_container(found):
                return cgroups.processors(found.ID())
            return frozenset(number for number, may in enumerate(found.emulatorPinInfo(_LIVE)) if may)

        return self._of(domain, read)

    def pin(self, domain: str, processors: frozenset[int]) -> None:
        """All its virtual processors, and what else it does."""

        def change(found: libvirt.virDomain) -> None:
            if _is_container(found):
                try:
                    cgroups.let_use(found.ID(), processors)
                except DeviceFailed as reason:
                    raise NotLive(reason.message, reason.hint) from reason
                return
            count = int(found.connect().getInfo()[2])
            cpus = tuple(number in processors for number in range(count))
            for number in range(found.vcpusFlags(_LIVE)):
                found.pinVcpuFlags(number, cpus, _LIVE)
            found.pinEmulator(cpus, _LIVE)

        self._of(domain, change)

    def grow_disk(self, domain: str, disk: str, size: int) -> bool:
        """Its driver has the file open, so no one else may change it."""

        def change(found: libvirt.virDomain) -> bool:
            if int(found.blockInfo(disk)[0]) < size:
                found.blockResize(disk, size, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
            return True

        return self._of(domain, change) or False

    def memory(self, domain: str) -> int | None:
        """Of a machine what it has, of a container what it may take."""

        def read(found: libvirt.virDomain) -> int:
            if _is_container(found):
                return int(found.memoryParameters(_LIVE)[_LIMIT])
            return int(found.maxMemory())

        return self._of(domain, read)

    def limit_memory(self, domain: str, kib: int) -> None:
        """A machine was built with its memory."""

        def change(found: libvirt.virDomain) -> None:
            if not _is_container(found):
                raise NotLive(f"domain {domain} gets other memory with its next start")
            found.setMemoryParameters({_LIMIT: kib}, _LIVE)

        self._of(domain, change)

    def give(self, domain: str, mib: int | None, vcpus: int | None) -> None:
        """Memory by the balloon; a processor less is up to the guest, which is waited for by libvirt."""

        def change(found: libvirt.virDomain) -> None:
            try:
                if mib is not None and found.info()[2] != mib << 10:
                    found.setMemoryFlags(mib << 10, _LIVE)
                if vcpus is not None and found.vcpusFlags(_LIVE) != vcpus:
                    found.setVcpusFlags(vcpus, _LIVE)
            except libvirt.libvirtError as error:
                if error.get_error_code() in _GONE or not found.connect().isAlive():
                    raise
                raise NotLive(f"domain {domain}: {error.get_error_message()}") from error
            if vcpus is not None and found.vcpusFlags(_LIVE) != vcpus:
                raise NotLive(f"domain {domain} has {found.vcpusFlags(_LIVE)} processors yet, not {vcpus}")

        self._of(domain, change)

    def _of(self, domain: str, action: Callable[[libvirt.virDomain], T]) -> T | None:
        return self._call(lambda connection: _running(connection, domain, action))


def _running(connection: libvirt.virConnect, name: str, action: Callable[[libvirt.virDomain], T]) -> T | None:
    """What `action` says of the domain while it runs; None when it does not, or has just ended."""
    try:
        found = connection.lookupByName(name)
        return action(found) if found.isActive() else None
    except libvirt.libvirtError as error:
        if error.get_error_code() not in _GONE:
            raise
        return None


def _weight(domain: libvirt.virDomain) -> int:
    return int(domain.schedulerParametersFlags(_LIVE)[_WEIGHT])


def _weigher(weight: int) -> Callable[[libvirt.virDomain], bool]:
    def change(domain: libvirt.virDomain) -> bool:
        if _weight(domain) == weight:
            return False
        domain.setSchedulerParametersFlags({_WEIGHT: weight}, _LIVE)
        return True

    return change


def _is_container(domain: libvirt.virDomain) -> bool:
    return bool(domain.OSType() == "exe")
