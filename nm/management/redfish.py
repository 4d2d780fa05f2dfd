"""Redfish, by OpenStack's library sushy, which knows what vendors' processors get wrong.

It is loaded when a node needs it. HTTP basic authentication, so that no sessions pile up in the processor
(many have room for a few) and a wrong password is shown once and not twice.
"""

import logging
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any, ClassVar, TypeVar

from nm.errors import DeviceFailed
from nm.management import web
from nm.processor import Settings

PORTS = (80, 443)  # without and with TLS

T = TypeVar("T")


class RedfishPower:
    """A processor that speaks Redfish, and the one system of its that is the node."""

    kind: ClassVar[str] = "redfish"
    settings: ClassVar[Settings] = Settings(
        {
            **web.SETTINGS,
            "system": str,
            "firmware": ("bios", "uefi"),
            "persistent": bool,
        },
        frozenset({"address", "user"}),
        frozenset({"password"}),
        partial(web.check, tls=True),
    )

    def __init__(self, management: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._told = management
        self._password = secrets["password"]
        self._place = web.place(management, True, PORTS)
        self._root: Any = None

    def is_on(self) -> bool:
        """As the system's resource says; one that is shutting down is still on."""
        state = self._ask(lambda: self._fresh().power_state)
        if state is None:
            raise DeviceFailed(
                f"{self._place} does not tell the power state", "ask its maker for new firmware"
            )
        return state in (self._sushy.PowerState.ON, self._sushy.PowerState.POWERING_OFF)

    def switch(self, on: bool) -> None:
        """On, or ForceOff."""
        self._reset("ON" if on else "FORCE_OFF")

    def ask_to_stop(self) -> None:
        """GracefulShutdown, where it is offered."""
        self._reset("GRACEFUL_SHUTDOWN")

    def boot_from(self, device: str) -> None:
        """Set the boot override."""
        sushy = self._sushy
        lasting = self._told.get("persistent", True)
        often = (
            sushy.BootSourceOverrideEnabled.CONTINUOUS if lasting else sushy.BootSourceOverrideEnabled.ONCE
        )
        modes = {"bios": sushy.BootSourceOverrideMode.LEGACY, "uefi": sushy.BootSourceOverrideMode.UEFI}
        source = sushy.BootSource.PXE if device == "pxe" else sushy.BootSource.HDD
        self._ask(
            lambda: self._fresh().set_system_boot_options(
                source, enabled=often, mode=modes.get(self._told.get("firmware", ""))
            )
        )

    def boots_from(self) -> str | None:
        """The boot override's target; nothing when it is disabled."""
        sushy = self._sushy
        boot = self._ask(lambda: self._fresh().boot)
        if boot is None or boot.target is None:
            return None
        if boot.enabled == sushy.BootSourceOverrideEnabled.DISABLED:
            return ""
        return {sushy.BootSource.PXE: "pxe", sushy.BootSource.HDD: "disk"}.get(boot.target, "")

    def close(self) -> None:
        """There is no session, and each request has its own connection."""

    @cached_property
    def _sushy(self) -> Any:
        """The library, silenced: what matters of what it logs is in the error that is told."""
        import sushy

        logging.getLogger("sushy").setLevel(logging.CRITICAL)
        return sushy

    def _reset(self, kind: str) -> None:
        self._ask(lambda: self._fresh().reset_system(self._sushy.ResetType[kind]))

    def _fresh(self) -> Any:
        """The system as it is now."""
        if self._root is None:
            self._root = self._sushy.Sushy(
                self._place,
                auth=self._sushy.auth.BasicAuth(self._told["user"], self._password),
                connector=self._connector(),
            )
        if name := self._told.get("system"):
            return self._root.get_system(name if name.startswith("/") else f"/redfish/v1/Systems/{name}")
        names = self._root.get_system_collection().members_identities
        if len(names) != 1:
            raise DeviceFailed(
                f"{self._place} has {len(names)} systems: {', '.join(names)[:200]}",
                "set system of the node's management to the one that is the node",
                passing=False,
            )
        return self._root.get_system(names[0])

    def _connector(self) -> Any:
        from sushy.connector import Connector

        made = Connector(
            self._place,
            verify=web.verify(self._told),
            server_side_retries=1,
            server_side_retries_delay=1,
            default_request_timeout=web.ANSWER,
            connect_timeout=web.CONNECT,
        )
        web.guard(made._session, self._place)  # sushy has no other way to it
        return made

    def _ask(self, question: Callable[[], T]) -> T:
        """Its answer, or DeviceFailed in words of ours where the cause is known, else in its own."""
        errors = self._sushy.exceptions
        try:
            return web.ask(self._place, question)
        except errors.AccessError:
            raise web.refused(self._place) from None
        except errors.ConnectionError as error:
            raise web.unreached(self._place, str(error)) from None
        except errors.HTTPError as error:
            busy = error.status_code == 409 or error.status_code >= 500
            raise DeviceFailed(f"{self._place}: {web.short(error)}", passing=busy) from None
        except (errors.SushyError, ValueError, OSError) as error:
            raise DeviceFailed(f"{self._place}: {web.short(error)}", passing=False) from None
