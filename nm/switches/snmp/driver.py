"""A switch driven by SNMP, v2c or v3: all changes of a session in a few requests, each for many ports.

Called by the switch's executor as any driver is; holds no lock. How VLANs are told of is a model's matter
(qbridge.py, cisco.py), in which order things are done the session's (session.py).
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from nm.errors import DeviceFailed, Invalid
from nm.switch import (
    Change,
    SwitchState,
    check_timeout,
)
from nm.switches.snmp import cisco
from nm.switches.snmp.cisco import Cisco
from nm.switches.snmp.mib import (
    IF_DESCR,
    IF_NAME,
    SYS_DESCR,
    SYS_OBJECT_ID,
    Column,
    Model,
    Table,
    Write,
    names,
    octets,
)
from nm.switches.snmp.qbridge import QBridge
from nm.switches.snmp.session import Session, port_state

if TYPE_CHECKING:
    from nm.switches.snmp.client import Client, Community, User

MODELS: Mapping[str, type[Model]] = {"cisco": Cisco, "qbridge": QBridge}
CISCO_PRODUCTS = (1, 3, 6, 1, 4, 1, 9, 1)  # those with IOS; Cisco's small switches keep to the standard
UDP_PORT = 161
TIMEOUT = 5.0
AUTH_PROTOCOLS = ("SHA", "SHA224", "SHA256", "SHA384", "SHA512", "MD5")
PRIVACY_PROTOCOLS = ("AES", "AES192", "AES256", "DES", "none")
SAVE_HINT = "use save=none when it saves by itself or not at all, or save=OID=NUMBER, which makes it save"
SHORTEST = 8  # characters of a password of SNMPv3 (RFC 3414, 11.2)
LONGEST_USER = 32
_SAVING = re.compile(r"none|([0-2](?:\.\d{1,9}){3,})=(\d{1,9})")


class Snmp:
    """Drives one switch by its SNMP agent."""

    kind: ClassVar[str] = "snmp"
    settings: ClassVar[Mapping[str, type]] = {
        "address": str,
        "port": int,
        "user": str,
        "auth_protocol": str,
        "privacy_protocol": str,
        "mib": str,
        "save": str,
        "timeout": float,
    }
    required: ClassVar[frozenset[str]] = frozenset({"address"})
    identity: ClassVar[tuple[str, ...]] = ("address", "port")
    parking: ClassVar[int | None] = None  # VLAN 1 is none that the pool could have

    def __init__(self, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._name = name
        self._who = f"switch {name}"
        self._settings = settings
        self._secrets = secrets
        self._client: Client | None = None
        self._model: Model = QBridge()
        self._described = ""

    @staticmethod
    def canonical(settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings with the address and port written out."""
        check_timeout(settings)
        _one_of(settings, "mib", tuple(MODELS))
        _one_of(settings, "auth_protocol", AUTH_PROTOCOLS)
        _one_of(settings, "privacy_protocol", PRIVACY_PROTOCOLS)
        if not 0 < len(settings.get("user", "nm")) <= LONGEST_USER:
            raise Invalid("user is no user's name", f"use 1 to {LONGEST_USER} characters")
        _saving(settings.get("save", "none"))
        if settings.get("mib") == QBridge.name and "save" not in settings:
            raise Invalid("save is missing", SAVE_HINT)
        return {**settings, "address": _address(settings["address"]), "port": _port(settings)}

    @staticmethod
    def port_name(settings: Mapping[str, Any], name: str) -> str:
        """Any name may be a port's."""
        del settings
        return name

    def open(self) -> Mapping[str, str]:
        """There is no log-in: ask what the agent is. An agent shows itself by nothing."""
        from nm.switches.snmp.client import (
            Client,  # pysnmp takes its time, and not every site has such a switch
        )

        place = (self._settings["address"], _port(self._settings))
        timeout = float(self._settings.get("timeout", TIMEOUT))
        self._client = Client(self._who, place, self._asker(), timeout)
        said = self._client.get([SYS_OBJECT_ID.oid, SYS_DESCR.oid])
        self._model = MODELS[self._settings.get("mib") or _guess(said.get(SYS_OBJECT_ID.oid))]()
        text = said.get(SYS_DESCR.oid)
        self._described = text.decode(errors="replace").strip() if isinstance(text, bytes) else ""
        if "save" not in self._settings and self._model.name != Cisco.name:
            raise DeviceFailed(f"{self._who} needs the setting save", SAVE_HINT, passing=False)
        return {}

    def close(self) -> None:
        """Let go of the socket."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def read(self, ports: Iterable[str] | None = None) -> SwitchState:
        """All that the model's tables say. A port that is shut carries nothing."""
        table = self._look()
        there = names(table, self._model.ports(table))
        asked = there if ports is None else [port for port in ports if port in there]
        states = {name: port_state(self._model, table, there[name]) for name in asked}
        return SwitchState(self._model.vlans(table), states, self._described)

    def apply(self, changes: Sequence[Change], epoch: int) -> dict[Change, DeviceFailed]:
        """Make the changes: what leaves, VLANs, what joins; then open what was read back as it should be."""
        del epoch  # an agent knows no epochs
        return Session(self._who, self._model, self._talker, self._look).apply(changes)

    def save(self) -> None:
        """As the settings say; a switch with Cisco's MIBs by CISCO-CONFIG-COPY-MIB."""
        how = self._settings.get("save")
        if how is None:
            cisco.save(self._talker, self._who)
        elif saving := _saving(how):
            for write, refusal in self._talker.set([saving]).items():
                raise DeviceFailed(
                    f"{self._who} refused to save its configuration: {write}: {refusal.words}",
                    "correct the setting save",
                    passing=refusal.passing,
                )

    # --- reading ---

    @property
    def _talker(self) -> "Client":
        if self._client is None:
            raise DeviceFailed(f"{self._who} is not open")
        return self._client

    def _look(self) -> Table:
        """Everything that the model needs of all ports, in one pass."""
        table: Table = {}
        for group in self._model.groups:
            table |= self._talker.walk(group)
        ports = list(self._model.ports(table))
        if not ports:
            raise DeviceFailed(
                f"{self._who} tells of no ports by the MIBs of mib={self._model.name}",
                "say which it has by the setting mib, and let the agent show it",
                passing=False,
            )
        if not all(octets(table, IF_NAME, port) for port in ports):
            table |= self._talker.walk((IF_DESCR,))
        return table

    def _asker(self) -> "Community | User":
        """Who asks: a user (v3) when one is named, else a community (v2c)."""
        from nm.switches.snmp.client import Community, User

        user = self._settings.get("user")
        if user is None:
            return Community(self._secret("community"))
        privacy = self._settings.get("privacy_protocol", PRIVACY_PROTOCOLS[0])
        return User(
            user,
            self._password("auth"),
            "" if privacy == "none" else self._password("privacy"),
            self._settings.get("auth_protocol", AUTH_PROTOCOLS[0]),
            privacy,
        )

    def _password(self, key: str) -> str:
        """The secret of that name, which is not shorter than passwords of SNMPv3 are."""
        password = self._secret(key)
        if len(password) < SHORTEST:
            hint = f"SNMPv3 knows none below {SHORTEST} characters"
            raise DeviceFailed(f"{self._who}: its secret {key} is too short", hint, passing=False)
        return password

    def _secret(self, key: str) -> str:
        if key not in self._secrets:
            raise DeviceFailed(
                f"{self._who} needs a secret {key}",
                f"write it to a file of the secrets folder and name that: secrets.{key}=FILE",
                passing=False,
            )
        return self._secrets[key]


def _guess(product: object) -> str:
    """The model of a product by its sysObjectID."""
    ours = isinstance(product, tuple) and product[: len(CISCO_PRODUCTS)] == CISCO_PRODUCTS
    return Cisco.name if ours else QBridge.name


def _one_of(settings: Mapping[str, Any], key: str, words: Iterable[str]) -> None:
    if settings.get(key) not in (None, *words):
        raise Invalid(f"{key} is {settings[key]!r}", f"use one of: {', '.join(words)}")


def _address(text: str) -> str:
    """The IP address in its one spelling; hosts by number, so that no name server can hold us up."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is None or address.is_unspecified or address.is_multicast:
        hint = "use 192.0.2.1 or 2001:db8::1; names are not looked up"
        raise Invalid(f"{text!r} is no address of a switch", hint)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _port(settings: Mapping[str, Any]) -> int:
    port = int(settings.get("port", UDP_PORT))
    if not 0 < port < 65536:
        raise Invalid(f"port is {port}", "use a UDP port from 1 to 65535")
    return port


def _saving(how: str) -> Write | None:
    """What must be set to make the switch save; None when nothing can."""
    found = _SAVING.fullmatch(how)
    if found is None:
        raise Invalid(f"save is {how!r}", SAVE_HINT)
    if found[1] is None:
        return None
    return Write(Column("save", tuple(map(int, found[1].split(".")))), (), int(found[2]))
