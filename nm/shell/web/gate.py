"""Who may look at the page: a token that is good once, a cookie for it, headers that must be right.

Anybody on this machine can connect to a port on 127.0.0.1, and any page in the browser can make it send
requests there. So a request needs the cookie that was given for the token. It must name this machine as its
host, for a stranger's name that leads to 127.0.0.1 would make that stranger's page the same origin. And it
must not come from another page.

Browsers send a cookie to all ports of a machine, so another server here may have learned it. Therefore a
request that changes something also brings the write token, in a header: it is told in the one answer to the
link, the page keeps it where only its own origin, which has the port, can read it, and it is never sent but
with a change. Asked by the server's threads; `_lock` guards the token.
"""

import re
import secrets
import threading
from email.message import Message

HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)
WRITE = "X-Nm-Write"  # the header with the write token: one that no form of another page can send
OWN_SITE = ("same-origin", "none")  # of Sec-Fetch-Site: our page, or the person at the address bar


class Gate:
    """One token, and the cookie that it is exchanged for. `port` tells this page's cookie from another's."""

    def __init__(self, port: int) -> None:
        self.token = secrets.token_urlsafe(32)
        self.cookie = f"nm_{port}"
        self._session = secrets.token_urlsafe(32)
        self.write_token = secrets.token_urlsafe(32)
        self._used = False
        self._lock = threading.Lock()

    def exchange(self, token: str) -> str | None:
        """The Set-Cookie header for the token, the first time; None for any other token, and afterwards."""
        with self._lock:
            if self._used or not secrets.compare_digest(token.encode(), self.token.encode()):
                return None
            self._used = True
        return f"{self.cookie}={self._session}; Path=/; HttpOnly; SameSite=Strict"

    def knows(self, headers: Message) -> bool:
        """Whether the request brings the cookie."""
        cookies = (pair.strip().partition("=") for pair in headers.get("Cookie", "").split(";"))
        return any(
            name == self.cookie and secrets.compare_digest(value.encode(), self._session.encode())
            for name, _, value in cookies
        )

    def lets_write(self, headers: Message) -> bool:
        """Whether a request that is `is_own` says that our page sends it, and brings the write token."""
        given = headers.get(WRITE, "").encode("utf-8", "surrogateescape")
        return headers.get("Origin", "") != "" and secrets.compare_digest(given, self.write_token.encode())


def is_here(headers: Message) -> bool:
    """Whether the request was sent to this machine by that name."""
    return HOST.fullmatch(headers.get("Host", "")) is not None


def is_own(headers: Message) -> bool:
    """Whether the request comes from our page, or from no page at all."""
    origin = headers.get("Origin", "")
    return headers.get("Sec-Fetch-Site", "none") in OWN_SITE and origin in (
        "",
        f"http://{headers.get('Host')}",
    )
