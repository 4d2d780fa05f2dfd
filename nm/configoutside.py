"""The configuration's sections about who is outside: portals that call, and mail. Ground, pure."""

from dataclasses import dataclass

from nm.configkeys import (
    between,
    host_or_empty,
    key,
    mailbox,
    mailboxes,
    name_or_empty,
    one_of,
    path_or_empty,
)

DAY = 86400.0


@dataclass(frozen=True)
class Mail:
    """Mail that nm sends, by an SMTP server (docs/bowl.md)."""

    host: str = key("", 'The server, as localhost; "": no mail is sent.', host_or_empty, live=True)
    port: int = key(
        25, "Its TCP port; 465 and 587 are common with tls and starttls.", between(1, 65535), live=True
    )
    tls: str = key(
        "none",
        "How what is said is protected: none, starttls or tls.",
        one_of("none", "starttls", "tls"),
        live=True,
    )
    ca: str = key(
        "",
        'File with the authorities that its certificate is checked by; "": the system\'s.',
        path_or_empty,
        live=True,
    )
    user: str = key("", 'Name to log in by; "": nm does not log in.', live=True)
    password: str = key("", "Name of the secret with its password.", name_or_empty, live=True)
    sender: str = key("nm@localhost", "Address that mails come from.", mailbox, live=True)
    admins: tuple[str, ...] = key(
        (), "Addresses of who is told what nodes are wanted for.", mailboxes, live=True
    )
    timeout_seconds: float = key(30.0, "How long the server may be silent.", between(0.1, 3600), live=True)
    retry_first_seconds: float = key(
        60.0, "Delay before the second try; it doubles.", between(0.01, DAY), live=True
    )
    retry_longest_seconds: float = key(
        3600.0, "Longest delay between two tries.", between(0.01, 7 * DAY), live=True
    )
    give_up_days: float = key(
        5.0, "A mail that nobody takes is given up after these.", between(0.01, 30), live=True
    )


def outside(mail: Mail) -> tuple[str, str] | None:
    """What does not agree in these sections, and what to do; None when all does."""
    if mail.host and not mail.admins:
        return "mail.host is set and mail.admins is empty", "name who is to be told, or leave mail.host out"
    if mail.user and not mail.password:
        return "mail.user is set and mail.password is empty", "name the secret with its password"
    if mail.user and mail.tls == "none":
        return "mail.user is set and mail.tls is none", "use starttls or tls, for the password is sent"
    return None
