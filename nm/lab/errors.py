"""The lab's own errors: what is wrong and what to do, as all of nm's."""

from nm.client import ClientError


class LabError(ClientError):
    """A lab cannot be made, found or used."""
