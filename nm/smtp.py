"""A hand that gives letters to a mail server, in one session, and says of each whether it was taken.

Called by the mails' worker only. A session is watched over as questions to other servers are
(nm/exchange.py): silence and the whole have their times, and nmd's end cuts it. Certificates are always
checked. What went wrong with the session itself, a wrong password too, passes for every letter; only what the
server says of one letter or addressee for good is for good. A server may end a session whenever it likes:
what is left goes in another one, and only a letter that was the first in its session is blamed for the end.
"""

import smtplib
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from nm.errors import DeviceFailed, NMError
from nm.exchange import Limits, Place, Watch, reached, safe, secured, watched
from nm.mails import Outcome

AT_ONCE = 20  # letters in one session
_FIRST = 530  # log in first, or speak TLS first: a setting of the site's, which can be mended

_Refusals = Mapping[str, tuple[int, bytes]]  # addressee -> the server's code and words


@dataclass(frozen=True)
class Server:
    """The mail server. `password` is asked for when it is needed; no user: nm does not log in."""

    place: Place
    safety: str = "none"  # or starttls, made safe after the greeting; or tls, safe from the start
    user: str = ""
    password: Callable[[], str] = field(default=str, repr=False)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Letter:
    """A mail as it is handed over."""

    sender: str
    to: tuple[str, ...]
    message: EmailMessage


def hand_over(server: Server, letters: Sequence[Letter]) -> Iterator[Outcome]:
    """Give the server these letters: an outcome for each, in order, as soon as it is known.

    Raises nothing of the server's doing. A server that has no session for us is not asked again.
    """
    given = 0
    while given < len(letters):
        before, ready = given, False
        try:
            with watched(server.place, server.limits) as watch, _session(server, watch) as session:
                ready = True
                for letter in letters[given : given + AT_ONCE]:
                    outcome = _give(session, letter)
                    ended = session.sock is None
                    if not ended or given == before:
                        given += 1
                        yield outcome
                    if ended:
                        break
        except NMError as error:  # a secret that is missing, too
            lost = int(given == before) if ready else len(letters) - given
            given += lost
            yield from [Outcome(str(error))] * lost


# ---- the session


class _Session(smtplib.SMTP):
    """smtplib's, on a connection that can be cut while it is made."""

    def __init__(self, server: Server, watch: Watch) -> None:
        self._server, self._watch = server, watch
        super().__init__(server.place.host, server.place.port, socket.gethostname(), server.limits.silence)

    def _get_socket(self, *_: Any) -> socket.socket:
        place, watch = self._server.place, self._watch
        context = secured(place) if self._server.safety == "tls" else None
        plain = reached(place, self._server.limits, watch)
        return plain if context is None else safe(plain, context, place)


@contextmanager
def _session(server: Server, watch: Watch) -> Iterator[smtplib.SMTP]:
    """A session that is ready for letters. DeviceFailed when the server has none for us, or ends it."""
    try:
        with _Session(server, watch) as session:
            if server.safety == "starttls":
                session.starttls(context=secured(server.place))
            if server.user:
                _log_in(session, server)
            yield session
    except smtplib.SMTPServerDisconnected as error:  # which hides why
        raise _cause(error) from None
    except smtplib.SMTPAuthenticationError as error:
        raise DeviceFailed(
            f"{server.place} does not let {server.user!r} in by its password (code {error.smtp_code})",
            "see mail.user and the secret that mail.password names",
        ) from None
    except smtplib.SMTPResponseException as error:
        raise DeviceFailed(f"{server.place} says {_words(error.smtp_code, error.smtp_error)}") from None
    except smtplib.SMTPException as error:
        raise DeviceFailed(f"{server.place}: {error}", "see mail.tls and mail.user") from None


def _log_in(session: smtplib.SMTP, server: Server) -> None:
    try:
        session.login(server.user, server.password())
    except UnicodeError:
        raise DeviceFailed(
            f"the password of {server.user!r} has letters beyond ASCII, or the name has",
            "have another one set by the server's people",
        ) from None


def _cause(error: smtplib.SMTPServerDisconnected) -> OSError:
    cause = error.__context__
    return cause if isinstance(cause, OSError) else ConnectionResetError()


# ---- one letter


def _give(session: smtplib.SMTP, letter: Letter) -> Outcome:
    try:
        refusals: _Refusals = session.send_message(letter.message, letter.sender, letter.to)
    except smtplib.SMTPRecipientsRefused as error:
        refusals = error.recipients
    except smtplib.SMTPSenderRefused as error:  # a setting of the site's, which can be mended
        return Outcome(f"{letter.sender} may not send: {_words(error.smtp_code, error.smtp_error)}")
    except smtplib.SMTPDataError as error:
        words = _words(error.smtp_code, error.smtp_error)
        return Outcome(words) if _passes(error.smtp_code) else Outcome(refused=words)
    left = {who: said for who, said in refusals.items() if _passes(said[0])}
    lost = {who: said for who, said in refusals.items() if who not in left}
    return Outcome(_listed(left), tuple(left), _listed(lost))


def _passes(code: int) -> bool:
    return code < 500 or code == _FIRST


def _listed(refusals: _Refusals) -> str | None:
    return "; ".join(f"{who}: {_words(*said)}" for who, said in refusals.items()) or None


def _words(code: int, said: bytes | str) -> str:
    """The server's own words, fit to be shown."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    plain = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return f"{code} {plain[:200]}".strip()
