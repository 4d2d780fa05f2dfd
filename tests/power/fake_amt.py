"""An Intel AMT that executes: digest authentication, WS-Management, power, and a boot source for one boot.

Written from the DMTF's DSP0226 and DSP0227 and RFC 7616, not from nm's driver: it wants the right resource,
action, selectors and references, and answers anything else with a fault or a code other than zero.
"""

import contextlib
import hashlib
import re
import secrets
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.etree import ElementTree as ET

from tests.power.account import PASSWORD, USER

CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
S = "{http://www.w3.org/2003/05/soap-envelope}"
A = "{http://schemas.xmlsoap.org/ws/2004/08/addressing}"
W = "{http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd}"
GET = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"
SOURCES = {"Intel(r) AMT: Force PXE Boot": "pxe", "Intel(r) AMT: Force Hard-drive Boot": "disk"}
CONFIGURATION = {"InstanceID": "Intel(r) AMT: Boot Configuration 0"}
FAULT = f"<s:Fault xmlns:s='{S[1:-1]}'><s:Reason><s:Text>no such method</s:Text></s:Reason></s:Fault>"
REALM = "Digest:A4070000000000000000000000000000"


class FakeAmt(ThreadingHTTPServer):
    """Its state is `on`, `source` (what the next boot uses) and `boots` (what each boot used)."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.on = False
        self.idle = False
        self.chosen: str | None = None  # but not yet of the next boot
        self.source: str | None = None
        self.boots: list[str | None] = []
        self.shown = 0  # passwords, right or wrong
        self.nonces: set[str] = set()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self.thread.start()

    def power(self, state: int) -> int:
        """RequestPowerStateChange; its ReturnValue."""
        if state not in (2, 8, 12):
            return 1
        if state == 12 and not self.on:
            return 2
        if not self.idle:
            if state == 2 and not self.on:
                self.boots.append(self.source)
                self.source = None
            self.on = state == 2
        return 0

    def close(self) -> None:
        """Stop serving."""
        self.shutdown()
        self.server_close()
        self.thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeAmt

    def handle(self) -> None:
        with contextlib.suppress(ssl.SSLError, ConnectionError):  # who does not trust us hangs up
            super().handle()

    def log_message(self, *words: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/wsman":
            self._answer(404, "")
        elif not self._known():
            self._answer(401, "")
        else:
            self._answer(*self._asked(ET.fromstring(content)))

    def _known(self) -> bool:
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', self.headers.get("Authorization", "")))
        if not given:
            return False
        self.server.shown += 1
        if given["nonce"] not in self.server.nonces or given["uri"] != self.path:
            return False

        def digest(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode()).hexdigest()

        right = digest(
            digest(USER, REALM, PASSWORD),
            *(given[key] for key in ("nonce", "nc", "cnonce", "qop")),
            digest("POST", self.path),
        )
        return given["username"] == USER and secrets.compare_digest(right, given["response"])

    def _asked(self, envelope: ET.Element) -> tuple[int, str]:
        header, body = envelope.find(f"{S}Header"), envelope.find(f"{S}Body")
        assert header is not None
        assert body is not None
        resource = header.findtext(f"{W}ResourceURI", "")
        name, action = resource.removeprefix(CIM), header.findtext(f"{A}Action", "")
        if (name, action) == ("CIM_AssociatedPowerManagementService", GET):
            return 200, _element(name, resource, "PowerState", 2 if self.server.on else 8)
        method = action.removeprefix(f"{resource}/")
        inputs = body.find(f"{{{resource}}}{method}_INPUT")
        do = {
            ("CIM_PowerManagementService", "RequestPowerStateChange"): self._power,
            ("CIM_BootConfigSetting", "ChangeBootOrder"): self._choose,
            ("CIM_BootService", "SetBootConfigRole"): self._use,
        }.get((name, method))
        if do is None or inputs is None:
            return 400, FAULT
        code = do(resource, inputs, _selectors(header))
        return 200, _element(f"{method}_OUTPUT", resource, "ReturnValue", code)

    def _power(self, resource: str, inputs: ET.Element, selectors: dict[str, str]) -> int:
        element = inputs.find(f"{{{resource}}}ManagedElement")
        right = selectors == {"Name": "Intel(r) AMT Power Management Service"}
        if not right or _refers_to(element, "CIM_ComputerSystem").get("Name") != "ManagedSystem":
            return 5
        return self.server.power(int(inputs.findtext(f"{{{resource}}}PowerState", "0")))

    def _choose(self, resource: str, inputs: ET.Element, selectors: dict[str, str]) -> int:
        source = _refers_to(inputs.find(f"{{{resource}}}Source"), "CIM_BootSourceSetting")
        if selectors != CONFIGURATION or source.get("InstanceID") not in SOURCES:
            return 5
        self.server.chosen = SOURCES[source["InstanceID"]]
        return 0

    def _use(self, resource: str, inputs: ET.Element, selectors: dict[str, str]) -> int:
        setting = _refers_to(inputs.find(f"{{{resource}}}BootConfigSetting"), "CIM_BootConfigSetting")
        role = inputs.findtext(f"{{{resource}}}Role")
        if selectors != {"Name": "Intel(r) AMT Boot Service"} or setting != CONFIGURATION or role != "1":
            return 5
        self.server.source = self.server.chosen
        return 0

    def _answer(self, status: int, body: str) -> None:
        content = f"<s:Envelope xmlns:s='{S[1:-1]}'><s:Header/><s:Body>{body}</s:Body></s:Envelope>".encode()
        self.send_response(status)
        if status == 401:
            nonce = secrets.token_hex(16)
            self.server.nonces.add(nonce)
            self.send_header("WWW-Authenticate", f'Digest realm="{REALM}", nonce="{nonce}", qop="auth"')
        self.send_header("Content-Type", "application/soap+xml;charset=UTF-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _element(name: str, resource: str, inner: str, value: int) -> str:
    return f"<g:{name} xmlns:g='{resource}'><g:{inner}>{value}</g:{inner}></g:{name}>"


def _selectors(place: ET.Element | None) -> dict[str, str]:
    found = [] if place is None else place.findall(f".//{W}Selector")
    return {one.get("Name", ""): one.text or "" for one in found}


def _refers_to(place: ET.Element | None, name: str) -> dict[str, str]:
    """The selectors of an endpoint reference to something of that class; nothing when it is to another."""
    given = "" if place is None else place.findtext(f"{A}ReferenceParameters/{W}ResourceURI", "")
    return _selectors(place) if given == CIM + name else {}
