"""How hands log in to the machine of a host that is another one, over SSH.

With the host's own secrets, or the keys of nmd's ssh-agent; it is known by the key that it showed first, or
that its record names. Called by hands of a host; SSH's library is loaded where a host needs it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nm.hypervisor import ssh_of

if TYPE_CHECKING:
    from nm.remote import Remote


@dataclass(frozen=True)
class Login:
    """A host's record; what messages call it; how a secret is looked up.

    `meet` is told the machine's key at each log-in; what it raises ends that.
    """

    host: Mapping[str, Any]
    who: str
    secret: Callable[[str], str] = field(repr=False)
    meet: Callable[[str], None] = lambda key: None

    def machine(self) -> "Remote":
        """The machine; nobody is logged in yet."""
        from nm.remote import Remote

        known = self.host.get("host_key") or self.host.get("_host_key") or ""
        secrets = {key: self.secret(name) for key, name in (self.host.get("secrets") or {}).items()}
        return Remote(self.who, {**ssh_of(self.host["uri"]), "host_key": known}, secrets)


def log_in(machine: "Remote", meet: Callable[[str], None]) -> None:
    """Log in, and tell the key that was shown before anything is asked of the machine."""
    key = machine.open()
    try:
        meet(key)
    except BaseException:
        machine.close()
        raise
