"""What processors reached by HTTP have in common: whether TLS is spoken, who vouches for it, and bounds."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from nm.errors import DeviceFailed, Invalid
from nm.waiting import Line

T = TypeVar("T")

CONNECT = 5.0  # seconds
ANSWER = 10.0  # seconds of silence after which an answer is given up
MOST = 8 << 20  # bytes of one answer's body, unpacked
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


class _Bounded:
    """An answer's body of which no more is taken than MOST."""

    def __init__(self, body: Any, place: str) -> None:
        self._body = body
        self._place = place

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    def stream(self, *how: Any, **named: Any) -> Iterator[bytes]:
        """As requests reads it, piece by piece."""
        taken = 0
        for piece in self._body.stream(*how, **named):
            taken += len(piece)
            if taken > MOST:
                self._body.close()
                raise DeviceFailed(
                    f"{self._place} answered with more than {MOST >> 20} MiB",
                    "see whether its address is that of the node's processor",
                    passing=False,
                )
            yield piece


def guard(session: Any, place: str) -> None:
    """Let a session of requests bound what it takes, and heed no proxy or ~/.netrc of nmd's environment."""
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def build_response(self, req: Any, resp: Any) -> Any:
            answer = super().build_response(req, resp)
            answer.raw = _Bounded(answer.raw, place)
            return answer

    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, Adapter())


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
