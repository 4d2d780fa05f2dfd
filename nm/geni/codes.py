"""GENI's codes, and the one that an error of nm's stands for at the doors of federation. Pure."""

from enum import IntEnum

from nm.errors import Conflict, Denied, DeviceFailed, Invalid, LimitReached, NMError, NotFound
from nm.geni.refusals import BadVersion, Busy, NodesLacking, Refused, Unsupported, VlanUnavailable


class Code(IntEnum):
    """The codes of the Aggregate Manager API, version 3."""

    SUCCESS = 0
    BADARGS = 1
    ERROR = 2
    FORBIDDEN = 3
    BADVERSION = 4
    SERVERERROR = 5
    TOOBIG = 6
    REFUSED = 7
    TIMEDOUT = 8
    DBERROR = 9
    RPCERROR = 10
    UNAVAILABLE = 11
    SEARCHFAILED = 12
    UNSUPPORTED = 13
    BUSY = 14
    EXPIRED = 15
    INPROGRESS = 16
    ALREADYEXISTS = 17
    # Later additions, which clients know.
    VLAN_UNAVAILABLE = 24
    INSUFFICIENT_NODES = 26


_CODES: tuple[tuple[type[NMError], Code], ...] = (
    (Unsupported, Code.UNSUPPORTED),
    (BadVersion, Code.BADVERSION),
    (NodesLacking, Code.INSUFFICIENT_NODES),
    (VlanUnavailable, Code.VLAN_UNAVAILABLE),
    (Busy, Code.BUSY),
    (Refused, Code.REFUSED),
    (Invalid, Code.BADARGS),
    (Denied, Code.FORBIDDEN),
    (NotFound, Code.SEARCHFAILED),
    (Conflict, Code.UNAVAILABLE),
    (LimitReached, Code.BUSY),
    (DeviceFailed, Code.SERVERERROR),
)


def code_of(error: NMError) -> Code:
    """What a door of federation answers when an operation or the trust part failed so."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), Code.ERROR)
