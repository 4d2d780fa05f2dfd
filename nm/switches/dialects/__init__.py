"""The command lines that nm speaks: one class a dialect, one file a maker, named here once."""

from nm.errors import Invalid
from nm.switches.dialect import Dialect
from nm.switches.dialects import ngs
from nm.switches.dialects.arista import AristaEos
from nm.switches.dialects.aruba import ArubaCx, ArubaSwitch
from nm.switches.dialects.cisco import CiscoIos, CiscoNxos
from nm.switches.dialects.cumulus import CumulusNvue
from nm.switches.dialects.dell import DellOs6, DellOs9, DellOs10, DellPowerConnect
from nm.switches.dialects.juniper import Junos
from nm.switches.dialects.sonic import Sonic
from nm.switches.dialects.tplink import TplinkJetstream

DIALECTS: tuple[type[Dialect], ...] = (
    AristaEos,
    ArubaCx,
    CiscoIos,
    CiscoNxos,
    CumulusNvue,
    DellOs6,
    DellOs9,
    DellOs10,
    DellPowerConnect,
    ArubaSwitch,
    Junos,
    Sonic,
    TplinkJetstream,
)

_BY_NAME = {dialect.name: dialect for dialect in DIALECTS}


def names() -> list[str]:
    """All that can be had here, those of other packages last."""
    return [*_BY_NAME, *ngs.names()]


def find(name: str) -> type[Dialect]:
    """The dialect of that name; Invalid names those there are."""
    if name.startswith(ngs.PREFIX):
        return ngs.find(name)
    if name not in _BY_NAME:
        raise Invalid(f"no dialect {name!r}", f"use one of: {', '.join(_BY_NAME)}, or {ngs.PREFIX}TYPE")
    return _BY_NAME[name]
