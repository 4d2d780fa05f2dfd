"""The doors to people of elsewhere, of a whole nm: opened, told of another configuration, and closed.

Called by the service. A door's rooms, and the libraries that they need, are loaded only where it is open.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nm import configured
from nm.calls import Site
from nm.config import Config
from nm.identity import People
from nm.listening import listen_at
from nm.store import Store

if TYPE_CHECKING:
    from nm.bowl import Bowl, Who
    from nm.bowl import Terms as BowlTerms
    from nm.gate import Gate
    from nm.geni.amapi import AmApi, Terms


@dataclass(frozen=True)
class Local:
    """What is known of callers on this machine, and the site's secrets by their names."""

    people: Callable[[Config], People]
    lookup: Callable[[str], str]


class FederationDoors:
    """All of them that the configuration wants. `measured` is told of each call, and its seconds."""

    def __init__(
        self,
        config: Config,
        store: Store,
        site: Site,
        local: Local,
        measured: Callable[[str, float], None] | None,
    ) -> None:
        self._config = config
        self._local = local
        self._geni: AmApi | None = None
        if config.geni.addresses:
            from nm.geni import amapi

            self._geni = amapi.AmApi(store, _geni_terms(config, site), measured)
        self._bowl: Bowl | None = None
        if config.bowl.addresses:
            from nm import bowl

            self._bowl = bowl.Bowl(store, *_bowl_terms(config, site, local), measured)

    def serve(self) -> None:
        """Open them. NMError when one cannot be."""
        found = self._config.geni
        if self._geni is not None:
            self._geni.serve([listen_at(address, found.port, "geni.port") for address in found.addresses])
        bowl = self._config.bowl
        if self._bowl is not None:
            self._bowl.serve([listen_at(address, bowl.port, "bowl.port") for address in bowl.addresses])

    def reload(self, config: Config, site: Site) -> None:
        """From now on answer by this configuration."""
        bowl = _bowl_terms(config, site, self._local) if self._bowl is not None else None
        if self._geni is not None:
            self._geni.reload(_geni_terms(config, site))
        if self._bowl is not None and bowl is not None:  # which cannot fail any more
            self._bowl.reload(*bowl)

    def stop(self, seconds: float) -> None:
        """Close them; calls under way have so long to finish."""
        if self._geni is not None:
            self._geni.stop(seconds)
        if self._bowl is not None:
            self._bowl.stop(seconds)


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


def _bowl_terms(config: Config, site: Site, local: Local) -> "tuple[BowlTerms, Gate[Who]]":
    from nm import bowlterms

    return bowlterms.terms(config, site, local.lookup), bowlterms.gate(config, local.people(config))
