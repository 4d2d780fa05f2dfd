"""Libvirt's stand-in, which lives as long as the process of the tests, with all that they have left there."""

from contextlib import closing

import libvirt

URI = "test:///default"


def clear() -> None:
    """No domain is left there but the one that it has by itself."""
    with closing(libvirt.open(URI)) as connection:
        for domain in connection.listAllDomains():
            if domain.name() != "test":
                domain.destroy() if domain.isActive() else None
                domain.undefine()
