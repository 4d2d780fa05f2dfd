"""The section of the configuration about deployed descriptions. Ground, pure; read by nm/config.py."""

from dataclasses import dataclass

from nm.configkeys import account_name, between, key, paths


def named_texts(value: tuple[str, ...]) -> str | None:
    """The values are of the form NAME=VALUE, each name once."""
    named = [text.partition("=")[0] for text in value]
    fits = all("=" in text and text.partition("=")[0].isprintable() for text in value)
    return None if fits and "" not in named and len(set(named)) == len(named) else "each NAME=VALUE, once"


def unprivileged(value: str) -> str | None:
    """It can be an account's name, and is not root's."""
    return "that of an account, and never root" if value == "root" else account_name(value)


@dataclass(frozen=True)
class Descriptions:
    """Pools of machines that are described in SmartFrog's language (docs/pools.md)."""

    shells: bool = key(
        False,
        "Whether they may run commands on hosts (BashShell, Script): administrators', and those of accounts "
        "whose right describe says shells.",
        live=True,
    )
    user: str = key(
        "nobody",
        "The account on the hosts as which those commands run; never root.",
        unprivileged,
        live=True,
    )
    script_seconds: float = key(
        3600.0,
        "Most seconds that a script may take; what still runs then is ended with all that it started.",
        between(1, 86_400),
        live=True,
    )
    scripts_at_once: int = key(
        4, "How many scripts run on a host at once; others wait.", between(1, 1000), live=True
    )
    folders: tuple[str, ...] = key(
        (),
        "Folders of hosts below which they may name files: kernels, base images, disks. Registered images "
        "need none.",
        paths,
        live=True,
    )
    components: int = key(20_000, "Most components of one description.", between(1, 1_000_000), live=True)
    properties: tuple[str, ...] = key(
        (), "What PROPERTY finds in a description, each as NAME=VALUE.", named_texts, live=True
    )
    environment: tuple[str, ...] = key(
        (), "What ENVPROPERTY finds, likewise; it is never nmd's own environment.", named_texts, live=True
    )
