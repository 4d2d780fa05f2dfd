"""No search for garbage while a description is compiled, or all that is kept of one is looked through.

That makes many objects and hardly any garbage, and the collector looks at all of them again and again:
half of the time, and more the more there are, so that ten times the domains took fifteen times as long.
It may be done in several threads: the last that is done lets the collector go on. Each step
here is one that no other thread can divide, so there is no lock; the worst that a race does is that one of
them is at it with the collector at work. What other threads leave behind waits meanwhile.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_compiling: list[object] = []  # one for each of those for whom it stands still


@contextmanager
def uncollected() -> Iterator[None]:
    """The collector stands still, until all that asked for it are done."""
    if not _compiling and not gc.isenabled():
        yield  # whoever switched it off has reasons of their own
        return
    mine = object()
    _compiling.append(mine)
    gc.disable()
    try:
        yield
    finally:
        _compiling.remove(mine)
        if not _compiling:
            gc.enable()
