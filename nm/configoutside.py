"""The configuration's sections about who is outside: portals that call, and mail. Ground, pure."""

import ipaddress
from dataclasses import dataclass

from nm.configkeys import (
    account_names,
    addresses,
    between,
    host,
    key,
    mailbox,
    mailboxes,
    name_or_empty,
    one_of,
    path_or_empty,
)

DAY = 86400.0


@dataclass(frozen=True)
class Bowl:
    """BOWL's door: JSON-RPC, for a portal that reserves in its people's names (docs/bowl.md)."""

    addresses: tuple[str, ...] = key(
        (), "Addresses to listen on, as 127.0.0.1; none: this door is shut.", addresses
    )
    port: int = key(11223, "TCP port.", between(1, 65535))
    callers: tuple[str, ...] = key(
        (),
        "Accounts of this machine that may call without a token, beside administrators.",
        account_names,
        live=True,
    )
    token: str = key(
        "", 'Name of the secret by which others call; "": nobody else does.', name_or_empty, live=True
    )
    certificate: str = key(
        "",
        'File with the server\'s certificate, and the chain above it; "": no TLS, and so the loopback only.',
        path_or_empty,
    )
    server_key: str = key("", "File with its key.", path_or_empty)
    clients: str = key(
        "", 'File with the authorities of clients\' certificates; "": clients need none.', path_or_empty
    )
    max_connections: int = key(
        64,
        "Connections at a time; one account, or over TLS one address, has half of them at most.",
        between(1, 10_000),
        live=True,
    )


@dataclass(frozen=True)
class Mail:
    """Mail that nm sends, by an SMTP server (docs/bowl.md)."""

    host: str = key("localhost", "The server.", host, live=True)
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
        (), "Addresses of administrators; none: no mail is sent.", mailboxes, live=True
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


def outside(mail: Mail, bowl: Bowl) -> tuple[str, str] | None:
    """What does not agree in these sections, and what to do; None when all does."""
    return (_mail(mail) if mail.admins else None) or (_bowl(bowl) if bowl.addresses else None)


def _mail(mail: Mail) -> tuple[str, str] | None:
    if mail.user and not mail.password:
        return "mail.user is set and mail.password is empty", "name the secret with its password"
    if mail.user and mail.tls == "none":
        return "mail.user is set and mail.tls is none", "use starttls or tls, for the password is sent"
    return None


def _bowl(bowl: Bowl) -> tuple[str, str] | None:
    secure = bool(bowl.certificate)
    if secure != bool(bowl.server_key):
        return "of bowl.certificate and bowl.server_key just one is set", "name both files, or none"
    if bowl.clients and not secure:
        return "bowl.clients is set and bowl.certificate is not", "name the server's own certificate and key"
    if not secure and not all(ipaddress.ip_address(address).is_loopback for address in bowl.addresses):
        return "bowl.addresses are not the loopback's, and bowl.certificate is not set", "set up TLS"
    if secure and not (bowl.token or bowl.clients):
        return "bowl.certificate is set, and neither bowl.token nor bowl.clients", "say who may call"
    return None
