"""What processors that are reached by HTTP have in common: whether TLS is spoken, and who vouches for it."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from nm.errors import DeviceFailed, Invalid
from nm.waiting import Line

T = TypeVar("T")

CONNECT = 5.0  # seconds
ANSWER = 10.0  # seconds of silence after which an answer is given up
WHOLE = 40.0  # seconds for one question, of several requests perhaps, for one that is never quite silent

SETTINGS: Mapping[str, type] = {"tls": bool, "verify": bool, "ca": str}


def check(management: Mapping[str, Any], tls: bool) -> None:
    """Invalid when what is said of certificates contradicts itself. `tls`: whether it is the default."""
    tls = management.get("tls", tls)
    ca = management.get("ca")
    if ca is not None and not ca.startswith("/"):
        raise Invalid("ca is no absolute path", "name the file with the authority's certificates in full")
    if ca is not None and not management.get("verify", True):
        raise Invalid("ca is named, but verify is false", "leave one of them out")
    if not tls and (ca is not None or "verify" in management):
        raise Invalid(
            "certificates are spoken of, but TLS is not", "set tls=true, or leave out verify and ca"
        )


def place(management: Mapping[str, Any], tls: bool, ports: tuple[int, int]) -> str:
    """The URL of the processor's root. `ports`: those of HTTP and of HTTPS."""
    tls, address = management.get("tls", tls), management["address"]
    host = f"[{address}]" if ":" in address else address
    return f"http{'s' if tls else ''}://{host}:{management.get('port', ports[tls])}"


def verify(management: Mapping[str, Any]) -> bool | str:
    """As requests wants it: whether to verify certificates, or by which authorities."""
    ca: str | None = management.get("ca")
    return ca if ca is not None else bool(management.get("verify", True))


_lines: dict[str, Line] = {}  # by place; what hangs there outlives the action that asked


def ask(place: str, question: Callable[[], T]) -> T:
    """Its answer, when there is one in time."""
    fresh = Line(place, "its network is bad, or its firmware: switch it off and on again")
    return _lines.setdefault(place, fresh).call(question, WHOLE)


def refused(place: str) -> DeviceFailed:
    """The processor does not take who asks."""
    return DeviceFailed(
        f"{place} refused the user or the password",
        "see the node's management: its user and what it may do there, and the secret that it names",
        passing=False,
    )


def unreached(place: str, why: str) -> DeviceFailed:
    """There was no answer, for a reason that requests gave."""
    if "CERTIFICATE_VERIFY_FAILED" in why or "doesn't match" in why:
        return DeviceFailed(
            f"{place} shows a certificate that cannot be verified",
            "set ca of the node's management to the authority's file, or verify=false",
            passing=False,
        )
    if "SSL" in why:
        return DeviceFailed(
            f"{place}: no TLS: {short(why)}", "see whether it speaks TLS; else tls=false", passing=False
        )
    return DeviceFailed(f"{place} does not answer", "see its address and cable, and that it is enabled there")


def short(words: object) -> str:
    """The words in one line of moderate length."""
    return " ".join(str(words).split())[:300]
