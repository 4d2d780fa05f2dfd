"""Why a request for resources comes to nothing: errors for which GENI has codes of its own. Pure."""

from nm.errors import Conflict, Invalid


class Unsupported(Invalid):
    """The request is well formed and asks for what this aggregate cannot do; docs/geni-rspec.md lists it."""


class BadVersion(Invalid):
    """RSpecs of that type and version are not known here."""


class NodesLacking(Conflict):
    """There are not enough free nodes of the kind that was asked for."""


class VlanUnavailable(Conflict):
    """The VLAN that was asked for, or any, cannot be given out."""


class Busy(Conflict):
    """What was there before is still going; it works later."""


class Refused(Conflict):
    """It is understood, and not done: by a limit of the site's, or in the state that the sliver is in."""
