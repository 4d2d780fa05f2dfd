"""The doors to people of elsewhere, of a whole nm: opened, told of another configuration, and closed.

Called by the service. A door's rooms, and the libraries that they need, are loaded only where it is open.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from nm import configured
from nm.calls import Site
from nm.config import Config
from nm.listening import listen_at
from nm.store import Store

if TYPE_CHECKING:
    from nm.geni.amapi import AmApi, Terms


class FederationDoors:
    """All of them that the configuration wants. `measured` is told of each call, and its seconds."""

    def __init__(
        self, config: Config, store: Store, site: Site, measured: Callable[[str, float], None] | None
    ) -> None:
        self._config = config
        self._geni: AmApi | None = None
        if config.geni.addresses:
            from nm.geni import amapi

            self._geni = amapi.AmApi(store, _geni_terms(config, site), measured)

    def serve(self) -> None:
        """Open them. NMError when one cannot be."""
        found = self._config.geni
        if self._geni is not None:
            self._geni.serve([listen_at(address, found.port, "geni.port") for address in found.addresses])

    def reload(self, config: Config, site: Site) -> None:
        """From now on answer by this configuration."""
        if self._geni is not None:
            self._geni.reload(_geni_terms(config, site))

    def stop(self, seconds: float) -> None:
        """Close them; calls under way have so long to finish."""
        if self._geni is not None:
            self._geni.stop(seconds)


def _geni_terms(config: Config, site: Site) -> "Terms":
    from nm.geni.amapi import Terms
    from nm.geni.trusted import Authorities

    return Terms(
        configured.guest_rules(config),
        Authorities(config.geni),
        site,
        configured.geni_limits(config),
        config.geni.calls_at_once,
    )
