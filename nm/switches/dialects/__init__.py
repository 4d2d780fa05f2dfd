"""The command lines that nm speaks: one class a dialect, one file a maker, named here once."""

from nm.errors import Invalid
from nm.switches.dialect import Dialect
from nm.switches.dialects.arista import AristaEos
from nm.switches.dialects.cisco import CiscoIos, CiscoNxos

DIALECTS: tuple[type[Dialect], ...] = (AristaEos, CiscoIos, CiscoNxos)

_BY_NAME = {dialect.name: dialect for dialect in DIALECTS}


def find(name: str) -> type[Dialect]:
    """The dialect of that name; Invalid names those there are."""
    if name not in _BY_NAME:
        raise Invalid(f"no dialect {name!r}", f"use one of: {', '.join(_BY_NAME)}")
    return _BY_NAME[name]
