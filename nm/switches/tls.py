"""TLS towards a device that shows a certificate, with certificates and key of ours from the text of secrets.

Called by nm/switches/ovsdb.py. The authority is the site's own: no other that this machine may trust counts.
"""

import contextlib
import os
import ssl
from collections.abc import Iterator, Mapping

from nm.errors import DeviceFailed
from nm.switches import addresses

SECRETS = ("ca", "certificate", "key")


def client_context(who: str, secrets: Mapping[str, str]) -> ssl.SSLContext:
    """TLS 1.2 or later with a server that `ca` vouches for, as the client of `certificate` and `key`."""
    missing = [f"secrets.{name}" for name in SECRETS if name not in secrets]
    if missing:
        raise DeviceFailed(
            f"{who} is reached by TLS, and has no {', '.join(missing)}",
            "UpdateSwitch names files of the secrets folder, all PEM",
            passing=False,
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False  # an address is no name: check_address looks at it
    try:
        context.load_verify_locations(cadata=secrets["ca"])
    except (ssl.SSLError, ValueError):
        raise _unusable(who, "ca", "is no certificate of an authority") from None
    with _file(f"{secrets['certificate']}\n{secrets['key']}\n") as path:
        try:
            context.load_cert_chain(path, password=lambda: b"")
        except (ssl.SSLError, ValueError):
            words = "is no certificate, or `key` not its key, or one with a passphrase"
            raise _unusable(who, "certificate", words) from None
    return context


def check_address(who: str, connection: ssl.SSLSocket, host: str) -> None:
    """DeviceFailed when the server's certificate names addresses, and this one is not among them."""
    names = (connection.getpeercert() or {}).get("subjectAltName", ())
    named = [str(name[1]) for name in names if name[0] == "IP Address"]
    if named and addresses.number(host) not in {addresses.number(value.strip()) for value in named}:
        raise DeviceFailed(
            f"{who}: the certificate at {host} is for {', '.join(named)}",
            "give the server one of its own, or correct the address",
            passing=False,
        )


def trouble(error: ssl.SSLError) -> str:
    """What is wrong, in words of OpenSSL's; empty when it may pass."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return "it does not speak TLS"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return ""
    return f"TLS: {(error.reason or 'failed').replace('_', ' ').lower()}"


def _unusable(who: str, name: str, words: str) -> DeviceFailed:
    return DeviceFailed(
        f"{who}: its secret `{name}` {words}", "let it be PEM, as ovs-pki writes it", passing=False
    )


@contextlib.contextmanager
def _file(text: str) -> Iterator[str]:
    """A file of that text in memory, for the library takes no other; it has no name, and is gone after."""
    file = os.memfd_create("nm", os.MFD_CLOEXEC)
    try:
        os.write(file, text.encode())
        yield f"/proc/self/fd/{file}"
    finally:
        os.close(file)
