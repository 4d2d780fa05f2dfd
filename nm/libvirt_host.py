"""libvirt behind the face of nm/hypervisor.py; the only module that imports libvirt.

No call of libvirt's is trusted to return. Each runs in a thread of its own that is waited for with a
deadline; when it is over, the call is left to itself together with its connection, and the next call
opens a new one (nm/waiting.py). Keepalive (which needs libvirt's event loop: one thread for all hosts,
started with the first real host) makes libvirt end such calls when the daemon or the way to it is dead.

Used by one worker thread a host. `_loop_lock` is held while the event loop is started, nothing else.
"""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import libvirt

from nm import domain_xml, share_xml
from nm.errors import DeviceFailed
from nm.facts import made_domain
from nm.hypervisor import (
    Died,
    DomainState,
    Has,
    Hypervisor,
    Listed,
    Nic,
    NotLive,
    Share,
    Shared,
    Storage,
    Tuning,
    check_uri,
    is_remote,
)
from nm.storage import LibvirtStorage
from nm.tuning import LibvirtTuning
from nm.waiting import Line, NoAnswer

T = TypeVar("T")

OPEN_SECONDS = 20.0  # for a connection to come about
CALL_SECONDS = 60.0  # for any one call
ALIVE_SECONDS, ALIVE_COUNT = 5, 3  # keepalive: dead after about 20 s of silence

_REFUSALS = frozenset(
    {
        libvirt.VIR_ERR_NO_CONNECT,
        libvirt.VIR_ERR_NO_NETWORK,
        libvirt.VIR_ERR_NO_SUPPORT,
        libvirt.VIR_ERR_INVALID_ARG,
        libvirt.VIR_ERR_OPERATION_DENIED,
        libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
        libvirt.VIR_ERR_XML_ERROR,
        libvirt.VIR_ERR_XML_DETAIL,
        libvirt.VIR_ERR_AUTH_FAILED,
        libvirt.VIR_ERR_AUTH_CANCELLED,
        libvirt.VIR_ERR_AUTH_UNAVAILABLE,
        libvirt.VIR_ERR_ACCESS_DENIED,
    }
)
_CONFIG = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE

_WHOLE = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)

_OUT_OF_SIGHT = (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_SYSTEM_ERROR)  # none known, or an old one

_DIED = re.compile(r"(?:connecting to|closed the) monitor.*: .")  # and then QEMU's own words

_BOTH = libvirt.VIR_DOMAIN_AFFECT_LIVE | libvirt.VIR_DOMAIN_AFFECT_CONFIG

_loop_lock = threading.Lock()
_loop: threading.Thread | None = None
_stand_ins: list[libvirt.virConnect] = []  # test:///default forgets its domains with its last connection

libvirt.registerErrorHandler(lambda *_: None, None)  # it would write every error to stderr


def connect(uri: str) -> Hypervisor:
    """The host behind an allowed URI. Nothing is opened before the first call."""
    return LibvirtHost(check_uri(uri))


class LibvirtHost:
    """A host's domains by libvirt; nm.hypervisor.Hypervisor says what the methods promise."""

    def __init__(
        self, uri: str, open_seconds: float = OPEN_SECONDS, call_seconds: float = CALL_SECONDS
    ) -> None:
        self._uri = uri
        self._open_seconds = open_seconds
        self._call_seconds = call_seconds
        self.storage: Storage = LibvirtStorage(self.call)
        self.tuning: Tuning = LibvirtTuning(self.call)
        self._connection: libvirt.virConnect | None = None
        self._line = Line(uri, _HUNG)

    def state(self, domain: str) -> DomainState | None:
        """Running or not, and the NICs by the live and by the stored description."""

        def read(found: libvirt.virDomain) -> tuple[bool, bool, str, str]:
            later = found.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
            return bool(found.isActive()), _is_paused(found), found.XMLDesc(0), later

        seen = self.call(lambda connection: self._with(connection, domain, read))
        if seen is None:
            return None
        running, paused, now, later = seen
        return DomainState(running, domain_xml.nics(now), domain_xml.nics(later), paused)

    def listed(self, space: str, asked: Callable[[str], bool] | None = None) -> list[Listed]:
        """By one listing, and a look at each domain's metadata; and one for all that start with the host."""

        def look(connection: libvirt.virConnect) -> list[Listed]:
            found = ((one, _metadata(one, space)) for one in connection.listAllDomains())
            marked = [(one, mark) for one, mark in found if mark is not None]
            if asked is None:
                return [_listed(one, mark) for one, mark in marked]
            flag = libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART
            starting = {one.name() for one in connection.listAllDomains(flag)}
            return [
                _with_all(domain, _listed(domain, mark), domain.name() in starting)
                for domain, mark in marked
                if asked(mark)
            ]

        return self.call(look)

    def descriptions(self, names: Sequence[str]) -> list[tuple[str, bool]]:
        """Their stored descriptions; the live one of a domain that is not stored."""

        def look(connection: libvirt.virConnect) -> list[tuple[str, bool]]:
            found = [one for one in connection.listAllDomains() if not names or one.name() in names]
            return [(_stored(one), bool(one.isActive())) for one in sorted(found, key=lambda one: one.name())]

        return self.call(look)

    def note(self, domain: str, space: str, element: str | None) -> None:
        """In both, the stored and the live description."""

        def write(found: libvirt.virDomain) -> None:
            if not found.isPersistent():
                found.connect().defineXML(found.XMLDesc(_CONFIG))
            if element is None and _metadata(found, space) is None:
                return
            where = libvirt.VIR_DOMAIN_AFFECT_CONFIG
            if found.isActive():
                where |= libvirt.VIR_DOMAIN_AFFECT_LIVE
            found.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, element, "nm", space, where)

        self._on(domain, write)

    def suspend(self, domain: str) -> None:
        """One that is off, or stands still already, is left so."""

        def stop(found: libvirt.virDomain) -> None:
            if not _is_paused(found):
                _while_active(found, found.suspend)

        self._on(domain, stop)

    def shared(self, domain: str) -> Shared | None:
        """Folders are this machine's."""
        return self._share(domain, partial(share_xml.share, folders=not is_remote(self._uri)))

    def disk(self, domain: str, serial: str) -> Shared | None:
        """As a share that is a disk."""
        return self._share(domain, partial(share_xml.disk, serial=serial))

    def _share(self, domain: str, look: Callable[[str], Share | None]) -> Shared | None:
        """By the live and by the stored description."""

        def read(found: libvirt.virDomain) -> Shared:
            now, later = found.XMLDesc(0), found.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
            return Shared(bool(found.isActive()), look(now), look(later))

        return self.call(lambda connection: self._with(connection, domain, read))

    def set_next_share(self, domain: str, share: Share | None) -> None:
        """Change the stored description."""
        self._redefine(domain, lambda xml: share_xml.with_share(xml, share))

    def set_next_disk(self, domain: str, serial: str, share: Share | None) -> None:
        """Change the stored description."""
        self._redefine(domain, lambda xml: share_xml.with_disk(xml, serial, share))

    def attach_disk(self, domain: str, serial: str, share: Share) -> None:
        """Attached to both, the running domain and the stored description."""

        def attach(found: libvirt.virDomain) -> bool:
            disk = share_xml.new_disk(found.XMLDesc(0), serial, share)
            try:
                found.attachDeviceFlags(disk, _BOTH)
            except libvirt.libvirtError as error:
                if _alive(found.connect()) and error.get_error_code() != libvirt.VIR_ERR_OPERATION_TIMEOUT:
                    raise NotLive(f"{domain}: a disk: {error.get_error_message()}") from error
                raise
            return True

        self._on(domain, attach)

    def set_next_nic(self, domain: str, nic: Nic) -> None:
        """Change the stored description."""
        self._redefine(domain, lambda xml: domain_xml.with_nic(xml, nic))

    def set_boot(self, domain: str, device: str) -> None:
        """Change the stored description."""
        self._redefine(domain, lambda xml: domain_xml.with_boot(xml, device))

    def boots_from(self, domain: str) -> str | None:
        """By the stored description."""

        def read(found: libvirt.virDomain) -> str | None:
            return domain_xml.boots_from(found.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))

        return self.call(lambda connection: self._with(connection, domain, read))

    def set_nic(self, domain: str, nic: Nic) -> None:
        """Attach the NIC, or change it where it is."""

        def change(found: libvirt.virDomain) -> bool:
            present = domain_xml.changed_nic(found.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE), nic)
            try:
                if present is None:
                    found.attachDeviceFlags(domain_xml.new_nic(nic), libvirt.VIR_DOMAIN_AFFECT_LIVE)
                else:
                    found.updateDeviceFlags(present, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            except libvirt.libvirtError as error:
                if _alive(found.connect()) and error.get_error_code() != libvirt.VIR_ERR_OPERATION_TIMEOUT:
                    raise NotLive(f"{domain}: NIC {nic.mac}: {error.get_error_message()}") from error
                raise
            return True

        self._on(domain, change)

    def start(self, domain: str) -> None:
        """Create it from the stored description."""

        def create(found: libvirt.virDomain) -> None:
            if not found.isActive():
                _forget_memory(found)
                _create(found)
            elif _is_paused(found):
                found.resume()

        self._on(domain, create)

    def in_hand(self, domain: str) -> bool:
        """By a signal that does nothing."""
        return self.call(lambda connection: self._with(connection, domain, _in_hand)) is not False

    def ask_to_stop(self, domain: str) -> None:
        """Press the ACPI power button; tell a container's first process, as systemd or another knows it."""

        def ask(found: libvirt.virDomain) -> None:
            if found.OSType() == "exe":
                found.sendProcessSignal(1, libvirt.VIR_DOMAIN_PROCESS_SIGNAL_RT3)
                found.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_SIGNAL)
            else:
                found.shutdown()

        self._on(domain, lambda found: _while_active(found, partial(ask, found)))

    def stop(self, domain: str) -> None:
        """Destroy it, as libvirt calls that."""
        self._on(domain, lambda found: _while_active(found, found.destroy))

    def guest_type(self) -> str:
        """By what the host says it can."""
        capabilities = str(self.call(lambda connection: connection.getCapabilities()))
        return domain_xml.guest_type(capabilities)

    def description(self, domain: str) -> str | None:
        """Without making a stand-in of that name."""

        def read(connection: libvirt.virConnect) -> str | None:
            try:
                return str(connection.lookupByName(domain).XMLDesc(_CONFIG))
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise
                return None

        return self.call(read)

    def define(self, description: str) -> None:
        """Defined again is redefined."""
        self.call(lambda connection: connection.defineXML(description))

    def set_autostart(self, domain: str, on: bool) -> None:
        """As libvirt keeps it, apart from the description."""
        self._on(domain, lambda found: found.setAutostart(int(on)))

    def undefine(self, domain: str) -> None:
        """With all that libvirt keeps of it."""

        def forget(connection: libvirt.virConnect) -> None:
            try:
                found = connection.lookupByName(domain)
                found.undefineFlags(_WHOLE) if connection.getType() == "QEMU" else found.undefine()
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise

        self.call(forget)

    def bridge_of(self, network: str) -> str:
        """As the network's description has it, whether or not it is up."""
        return self.call(lambda connection: str(connection.networkLookupByName(network).bridgeName()))

    def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._bounded(connection.close, self._call_seconds)

    def _redefine(self, domain: str, edit: Callable[[str], str]) -> None:
        def define(found: libvirt.virDomain) -> None:
            if not found.isActive():
                _forget_memory(found)
            found.connect().defineXML(edit(found.XMLDesc(_CONFIG)))

        self._on(domain, define)

    def _on(self, domain: str, action: Callable[[libvirt.virDomain], Any]) -> None:
        def act(connection: libvirt.virConnect) -> bool:
            return self._with(connection, domain, lambda found: (action(found), True)[1]) or False

        if not self.call(act):
            raise DeviceFailed(
                f"there is no domain {domain} at {self._uri}",
                "define it there (virsh define), or name another one with UpdateHeadNode",
                passing=False,
            )

    def _with(
        self, connection: libvirt.virConnect, domain: str, action: Callable[[libvirt.virDomain], T]
    ) -> T | None:
        """What `action` says of the domain; None when there is none."""
        try:
            return action(self._find(connection, domain))
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise

    def _find(self, connection: libvirt.virConnect, domain: str) -> libvirt.virDomain:
        try:
            return connection.lookupByName(domain)
        except libvirt.libvirtError as error:
            made_by_nm = domain.startswith(made_domain(""))  # those are there when nm has made them
            if (
                error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN
                or made_by_nm
                or not _is_stand_in(self._uri)
            ):
                raise
            return connection.defineXML(domain_xml.stand_in(domain))

    def call(self, action: Callable[[libvirt.virConnect], T], seconds: float | None = None) -> T:
        """Run `action` on the connection; on a new one when that one turns out to be dead."""
        for again in (True, False):
            connection = self._connected()
            try:
                return self._bounded(partial(action, connection), seconds or self._call_seconds)
            except libvirt.libvirtError as error:
                if _alive(connection):
                    raise self._explained(error) from error
                self._connection = None
                if not again:
                    raise DeviceFailed(f"{self._uri} hung up twice: {error.get_error_message()}") from error
        raise AssertionError("the loop above always ends")

    def _connected(self) -> libvirt.virConnect:
        if self._connection is None:
            try:
                self._connection = self._bounded(partial(_open, self._uri), self._open_seconds)
            except libvirt.libvirtError as error:
                raise self._explained(error) from error
        return self._connection

    def _bounded(self, call: Callable[[], T], seconds: float) -> T:
        """What `call` returns or raises, or NoAnswer after `seconds`, and then the connection is given up."""
        try:
            return self._line.call(call, seconds)
        except NoAnswer:
            self._connection = None
            raise

    def _explained(self, error: libvirt.libvirtError) -> DeviceFailed:
        return DeviceFailed(
            f"{self._uri}: {error.get_error_message()}",
            "see the host's libvirtd and its log",
            passing=error.get_error_code() not in _REFUSALS,
        )


_HUNG = "see whether libvirtd and the domain's own process still run on that host"


def _open(uri: str) -> libvirt.virConnect:
    if _is_stand_in(uri):
        if not _stand_ins:
            _stand_ins.append(libvirt.open(uri))
        return libvirt.open(uri)
    _start_loop()
    connection = libvirt.open(f"{uri}?no_tty=1" if is_remote(uri) else uri)  # ssh must not ask anybody
    try:
        connection.setKeepAlive(ALIVE_SECONDS, ALIVE_COUNT)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:  # then there is no daemon between
            raise
    return connection


def _is_stand_in(uri: str) -> bool:
    return uri.startswith("test:")


def _alive(connection: libvirt.virConnect) -> bool:
    """Whether the connection itself still works; says nothing about the daemon's speed."""
    try:
        return bool(connection.isAlive() == 1)
    except libvirt.libvirtError:
        return False


def _stored(domain: libvirt.virDomain) -> str:
    return str(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE if domain.isPersistent() else 0))


def _listed(domain: libvirt.virDomain, mark: str) -> Listed:
    runs = bool(domain.isActive()) and _in_hand(domain)
    return Listed(domain.name(), runs, _is_paused(domain), mark, _shut_down(domain), _unheard(domain))


def _with_all(domain: libvirt.virDomain, listed: Listed, autostart: bool) -> Listed:
    """With what it has; without, when it does not run, or has just ended."""
    if not listed.running:
        return listed
    try:
        stored = domain.isPersistent()
        later = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) if stored else None
        now = domain_xml.has(domain.XMLDesc(0))
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
        return listed
    kept: Has | None = None if later is None else domain_xml.has(later)
    return replace(listed, now=now, stored=kept, autostart=autostart)


def _is_paused(domain: libvirt.virDomain) -> bool:
    return bool(domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED)


def _shut_down(domain: libvirt.virDomain) -> bool:
    return bool(domain.state() == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN])


def _unheard(domain: libvirt.virDomain) -> bool:
    """Libvirt keeps what it knows of running domains, and why they ended, until its machine is booted."""
    return bool(domain.state() == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_UNKNOWN])


def _metadata(domain: libvirt.virDomain, space: str) -> str | None:
    """The element of that namespace in the stored description; None when there is none, or no such domain.

    A domain that runs and is not stored, or no more, has its live description only.
    """
    try:
        where = libvirt.VIR_DOMAIN_AFFECT_CONFIG if domain.isPersistent() else libvirt.VIR_DOMAIN_AFFECT_LIVE
        return str(domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, space, where))
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN_METADATA, libvirt.VIR_ERR_NO_DOMAIN):
            raise
        return None


def _in_hand(domain: libvirt.virDomain) -> bool:
    """Whether libvirt sees a running container's first process.

    When one of the same name has just ended, libvirt 9 may take that end for the new one's, and see neither
    its first process nor its end.
    """
    try:
        if domain.isActive() and domain.OSType() == "exe":
            domain.sendProcessSignal(1, libvirt.VIR_DOMAIN_PROCESS_SIGNAL_NOP)
    except libvirt.libvirtError as error:
        if error.get_error_code() not in _OUT_OF_SIGHT:
            raise
        return False
    return True


def _create(domain: libvirt.virDomain) -> None:
    try:
        domain.create()
    except libvirt.libvirtError as error:
        if _DIED.search(error.get_error_message()):
            raise Died(f"{domain.name()}: {error.get_error_message()}", "see the host's log of it") from error
        raise


def _while_active(domain: libvirt.virDomain, end: Callable[[], object]) -> None:
    """Call `end`; that the domain has meanwhile ended by itself is no error."""
    try:
        if domain.isActive():
            end()
    except libvirt.libvirtError:
        if domain.isActive():
            raise


def _forget_memory(domain: libvirt.virDomain) -> None:
    """Remove a saved memory image: started from it, the domain would be on the VLAN of that time."""
    try:
        if domain.hasManagedSaveImage():
            domain.managedSaveRemove()
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise


def _start_loop() -> None:
    """The event loop of libvirt, which keepalive needs; it must be there before a connection is."""
    global _loop
    with _loop_lock:
        if _loop is None:
            libvirt.virEventRegisterDefaultImpl()
            _loop = threading.Thread(target=_run_loop, name="libvirt events", daemon=True)
            _loop.start()


def _run_loop() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
