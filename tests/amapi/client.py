"""Raw XML-RPC over TLS: what a client of GENI's sends, byte by byte, and what it is answered."""

import http.client
import ssl
import xmlrpc.client
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from nm.geni.making import Holder
from tests.amapi import house

PATIENCE = 30.0
VERSION = {"geni_rspec_version": {"type": "GENI", "version": "3"}}

Struct = dict[str, Any]


@dataclass
class Client:
    """Somebody who calls, with one connection that is kept."""

    port: int
    files: tuple[Path, Path] | None
    who: Holder = field(default_factory=house.person)
    slice: str = "one"  # whose credential is shown
    address: str = "127.0.0.1"
    tls: ssl.SSLContext = field(init=False)

    def __post_init__(self) -> None:
        self.tls = ssl.create_default_context()
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE  # as omni and geni-lib
        if self.files is not None:
            self.tls.load_cert_chain(*self.files)
        self._connection: http.client.HTTPSConnection | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def connection(self) -> http.client.HTTPSConnection:
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(
                self.address, self.port, timeout=PATIENCE, context=self.tls
            )
        return self._connection

    def post(self, body: bytes | str, **headers: str) -> tuple[int, bytes]:
        """Status and body of the answer."""
        self.connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml", **headers})
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def get(self, path: str) -> tuple[int, bytes]:
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def raw(self, method: str, *arguments: Any) -> str:
        """The text of the answer."""
        status, said = self.post(xmlrpc.client.dumps(arguments, method, allow_none=True))
        assert status == 200, (status, said)
        return said.decode()

    def call(self, method: str, *arguments: Any) -> Struct:
        """The answer's struct; raises xmlrpc.client.Fault."""
        found = xmlrpc.client.loads(self.raw(method, *arguments), use_builtin_types=False)[0][0]
        assert isinstance(found, dict)
        return found

    # ---- the ten methods, as a good client calls them

    @property
    def urn(self) -> str:
        return house.slice_urn(self.slice)

    @cached_property
    def credentials(self) -> list[Struct]:
        return [house.sfa(house.credential(self.who, house.slice_of(self.slice)))]

    def version(self) -> Struct:
        return self.call("GetVersion", {})

    def resources(self, **options: Any) -> Struct:
        return self.call("ListResources", self.credentials, {**VERSION, **options})

    def describe(self, *urns: str, **options: Any) -> Struct:
        return self.call("Describe", self._urns(urns), self.credentials, {**VERSION, **options})

    def allocate(self, rspec: str, **options: Any) -> Struct:
        return self.call("Allocate", self.urn, self.credentials, rspec, options)

    def renew(self, until: str, *urns: str, **options: Any) -> Struct:
        return self.call("Renew", self._urns(urns), self.credentials, until, options)

    def provision(self, *urns: str, **options: Any) -> Struct:
        return self.call("Provision", self._urns(urns), self.credentials, {**VERSION, **options})

    def status(self, *urns: str, **options: Any) -> Struct:
        return self.call("Status", self._urns(urns), self.credentials, options)

    def perform(self, action: str, *urns: str, **options: Any) -> Struct:
        return self.call("PerformOperationalAction", self._urns(urns), self.credentials, action, options)

    def delete(self, *urns: str, **options: Any) -> Struct:
        return self.call("Delete", self._urns(urns), self.credentials, options)

    def shutdown(self) -> Struct:
        return self.call("Shutdown", self.urn, self.credentials, {})

    def _urns(self, given: Sequence[str]) -> list[str]:
        return list(given) or [self.urn]


def code(answer: Struct) -> int:
    found: int = answer["code"]["geni_code"]
    return found


def good(answer: Struct) -> Any:
    """The value of an answer, which must tell of success."""
    assert code(answer) == 0, answer
    return answer["value"]
