"""The advertisement as it was written last, which holds until a record changes. For GENI's door.

Clients ask for it with every step, and most find nothing new. The counter of changes is read before the
records are, and raised before whoever made a change is answered: so nobody is told what was before it.
"""

from nm.federation import looking
from nm.federation.visits import Visit
from nm.geni import times
from nm.geni.rspec import advertisement, texts
from nm.store import Published, Store

FORMS = 8  # that are remembered: free or all, compressed or not, by which rules


class Noticeboard:
    """What this store's state looks like as an advertisement."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changes = 0
        self._kept: dict[tuple[object, ...], tuple[int, str]] = {}
        store.subscribe(self._changed)

    def _changed(self, _: Published) -> None:
        self._changes += 1

    def forget(self) -> None:
        """The site's settings are others."""
        self._changes += 1

    def advertisement(self, visit: Visit, only_free: bool, compressed: bool) -> str:
        """All nodes, or those that are free. `generated` is when it was written."""
        form, changes = (visit.rules.aggregate, only_free, compressed), self._changes
        known = self._kept.get(form)
        if known is not None and known[0] == changes:
            return known[1]
        text = self._written(visit, only_free, compressed)
        if len(self._kept) >= FORMS:
            self._kept = {}
        self._kept[form] = (changes, text)
        return text

    def _written(self, visit: Visit, only_free: bool, compressed: bool) -> str:
        offer = looking.offer(self._store, visit)
        text = advertisement.write(visit.rules.aggregate, offer, times.render(visit.now), only_free)
        return texts.compress(text) if compressed else text
