"""Public SSH keys as callers send them. Pure; called by the operations on groups and delegates."""

from nm.errors import Invalid

LONGEST = 16384  # bytes of one key's line
KINDS = ("ssh-", "ecdsa-", "sk-")


def parse_keys(keys: object) -> list[str]:
    """The keys, one line each, without options: what a key may do is nm's to say."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise Invalid("keys is not a list of public SSH keys", 'as ["ssh-ed25519 AAAA... alice"]')
    return [_parse(key.strip()) for key in keys]


def _parse(key: str) -> str:
    words = key.split()
    if len(words) < 2 or not words[0].startswith(KINDS) or not key.isprintable() or len(key) > LONGEST:
        raise Invalid("a key is not one line of type and base64 text", 'as "ssh-ed25519 AAAA... alice"')
    return key
