"""What BOWL's door is told of a configuration: by what terms it answers, and who keeps its gate.

Called by federationdoors.py, and only where the door is open.
"""

import ssl
from collections.abc import Callable
from functools import partial

from nm import configured, tls
from nm.bowl import Terms, Who
from nm.calls import Site
from nm.config import Config
from nm.configoutside import Bowl
from nm.errors import Invalid
from nm.gate import Gate
from nm.httpreading import Limits
from nm.identity import Kernel, People

BODY = 1 << 18  # bytes of a request: a list of nodes, or a batch of such


def terms(config: Config, site: Site, lookup: Callable[[str], str]) -> Terms:
    """By what the door answers. `lookup` gives a secret by its name."""
    found = config.bowl
    return Terms(
        configured.guest_rules(config),
        site,
        frozenset(found.callers),
        partial(lookup, found.token) if found.token else None,
        Limits(
            body=BODY,
            connections=found.max_connections,
            connections_per_user=(found.max_connections + 1) // 2,
            reserved_for_admins=0,
        ),
    )


def gate(config: Config, people: People) -> Gate[Who]:
    """TLS where there is a certificate, else the kernel's word. Invalid when the files are no good."""
    if not config.bowl.certificate:
        return Kernel(people)
    context = _context(config.bowl)
    return tls.Guard(lambda: context)


def _context(bowl: Bowl) -> ssl.SSLContext:
    """How the door speaks TLS; clients show a certificate where their authorities are known."""
    made = tls.context(bowl.certificate, bowl.server_key, roots=b"")
    if not bowl.clients:
        made.verify_mode = ssl.CERT_NONE
        return made
    try:
        made.load_verify_locations(bowl.clients)
    except OSError as error:  # a file with no certificate in it is an error of TLS, which is one of these
        raise Invalid(
            f"{bowl.clients} cannot be used as the authorities of clients: {error.strerror or error}",
            "put their certificates there, as PEM",
        ) from None
    return made
