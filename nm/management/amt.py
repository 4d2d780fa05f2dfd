"""Intel AMT, by WS-Management: SOAP over HTTP with digest authentication, by the library requests.

Every AMT since 2007 speaks it. The web page of AMT's own is no way in: it offers no boot from the network,
it can be switched off, and its answers are for people. The protocol is WS-Management (DSP0226, DSP0227).
"""

import uuid
from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any, ClassVar
from xml.sax.saxutils import escape

from nm.errors import DeviceFailed
from nm.management import web
from nm.processor import Settings

PORTS = (16992, 16993)  # without and with TLS
ON, OFF, SHUT_DOWN = 2, 8, 12  # CIM's PowerState as AMT has it: its system is only asked by the last
_WITH_POWER = {2, 3, 4, 5, 9, 10, 11, 14}  # on, asleep, or just being reset
_WITHOUT = {6, 7, 8, 12, 13}
_NOT_SUPPORTED = 1  # a method's ReturnValue
_SOURCES = {"pxe": "Intel(r) AMT: Force PXE Boot", "disk": "Intel(r) AMT: Force Hard-drive Boot"}
_CONFIGURATION = "Intel(r) AMT: Boot Configuration 0"

_CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
_GET = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"
_ENVELOPE = """<?xml version="1.0" encoding="UTF-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:c="{resource}"><s:Header>
<a:Action s:mustUnderstand="true">{action}</a:Action>
<a:To s:mustUnderstand="true">{to}</a:To>
<w:ResourceURI s:mustUnderstand="true">{resource}</w:ResourceURI>
<a:MessageID s:mustUnderstand="true">uuid:{id}</a:MessageID>
<a:ReplyTo><a:Address>{anonymous}</a:Address></a:ReplyTo>{selectors}
</s:Header><s:Body>{body}</s:Body></s:Envelope>"""
_ANONYMOUS = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"


class AmtPower:
    """A machine with Intel vPro. What it boots from is set for one boot, and cannot be read back."""

    kind: ClassVar[str] = "amt"
    settings: ClassVar[Settings] = Settings(
        web.SETTINGS, frozenset({"address", "user"}), frozenset({"password"}), partial(web.check, tls=False)
    )

    def __init__(self, management: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._told = management
        self._password = secrets["password"]
        self._place = web.place(management, False, PORTS)

    def is_on(self) -> bool:
        """As the managed system's power service says."""
        answer = self._send("CIM_AssociatedPowerManagementService", _GET)
        state = _number(answer, "PowerState")
        if state not in _WITH_POWER | _WITHOUT:
            raise DeviceFailed(f"{self._place} does not tell the power state, but {state}")
        return state in _WITH_POWER

    def switch(self, on: bool) -> None:
        """Power on, or off at once."""
        self._change(ON if on else OFF)

    def ask_to_stop(self) -> None:
        """A graceful shutdown: AMT passes it on where Intel's service runs in the node's system."""
        self._change(SHUT_DOWN)

    def boot_from(self, device: str) -> None:
        """Choose the source, then make the configuration it is in the one of the next boot."""
        source = _reference("CIM_BootSourceSetting", InstanceID=_SOURCES[device])
        self._call(
            "CIM_BootConfigSetting",
            "ChangeBootOrder",
            f"<c:Source>{source}</c:Source>",
            InstanceID=_CONFIGURATION,
        )
        setting = _reference("CIM_BootConfigSetting", InstanceID=_CONFIGURATION)
        self._call(
            "CIM_BootService",
            "SetBootConfigRole",
            f"<c:BootConfigSetting>{setting}</c:BootConfigSetting><c:Role>1</c:Role>",
            Name="Intel(r) AMT Boot Service",
        )

    def boots_from(self) -> str | None:
        """AMT does not say."""
        return None

    def close(self) -> None:
        """End the connection."""
        self._session.close()

    @cached_property
    def _session(self) -> Any:
        import requests
        import urllib3
        from requests.auth import HTTPDigestAuth

        session = requests.Session()
        web.guard(session, self._place)
        session.auth = HTTPDigestAuth(self._told["user"], self._password)
        session.verify = web.verify(self._told)
        if not session.verify:  # that is the site's own choice, so nobody need be warned at each request
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return session

    def _change(self, state: int) -> None:
        system = _reference(
            "CIM_ComputerSystem", CreationClassName="CIM_ComputerSystem", Name="ManagedSystem"
        )
        self._call(
            "CIM_PowerManagementService",
            "RequestPowerStateChange",
            f"<c:PowerState>{state}</c:PowerState><c:ManagedElement>{system}</c:ManagedElement>",
            Name="Intel(r) AMT Power Management Service",
        )

    def _call(self, name: str, method: str, inputs: str, **selectors: str) -> None:
        """Call a method; DeviceFailed unless it says that it did it."""
        body = f"<c:{method}_INPUT>{inputs}</c:{method}_INPUT>"
        code = _number(self._send(name, f"{_CIM}{name}/{method}", body, **selectors), "ReturnValue")
        if code != 0:
            raise DeviceFailed(
                f"{self._place} refused {method}: code {code}", passing=code not in (None, _NOT_SUPPORTED)
            )

    def _send(self, name: str, action: str, body: str = "", **selectors: str) -> Any:
        """The answer's XML."""
        import requests
        from defusedxml import ElementTree
        from defusedxml.common import DefusedXmlException

        to = f"{self._place}/wsman"
        message = _ENVELOPE.format(
            resource=_CIM + name,
            action=action,
            to=escape(to),
            id=uuid.uuid4(),
            anonymous=_ANONYMOUS,
            selectors=_selector_set(selectors),
            body=body,
        )
        post = partial(
            self._session.post,
            to,
            data=message.encode(),
            headers={"Content-Type": "application/soap+xml;charset=UTF-8"},
            timeout=(web.CONNECT, web.ANSWER),
            allow_redirects=False,
        )
        try:
            answer = web.ask(self._place, post)
        except (requests.RequestException, OSError) as error:
            raise web.unreached(self._place, str(error)) from None
        if answer.status_code in (401, 403):
            raise web.refused(self._place)
        try:
            told = ElementTree.fromstring(answer.content)
        except (ElementTree.ParseError, DefusedXmlException, ValueError):
            told = None
        if answer.status_code != 200 or told is None:
            why = "no WS-Management" if told is None else _text(told, "Text") or "it gave no reason"
            raise DeviceFailed(
                f"{self._place} answered with status {answer.status_code}: {web.short(why)}",
                "see that it is an AMT, and provisioned",
                passing=answer.status_code >= 500,
            )
        return told


def _selector_set(selectors: Mapping[str, str]) -> str:
    inner = "".join(
        f'<w:Selector Name="{name}">{escape(value)}</w:Selector>' for name, value in selectors.items()
    )
    return f"<w:SelectorSet>{inner}</w:SelectorSet>" if inner else ""


def _reference(name: str, **selectors: str) -> str:
    """An endpoint reference to that instance."""
    return (
        f"<a:Address>{_ANONYMOUS}</a:Address><a:ReferenceParameters>"
        f"<w:ResourceURI>{_CIM}{name}</w:ResourceURI>{_selector_set(selectors)}</a:ReferenceParameters>"
    )


def _text(answer: Any, name: str) -> str | None:
    """What stands in the first element of that name, in whatever namespace."""
    found = answer.find(f".//{{*}}{name}")
    return None if found is None else found.text


def _number(answer: Any, name: str) -> int | None:
    text = _text(answer, name) or ""
    return int(text) if text.strip().isdecimal() else None
