"""Public SSH keys as callers send them: of people, and of machines. Pure ground."""

import base64
import binascii
import contextlib

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
    kind, *parts = _strings(words[1]) or [b""]
    if kind != words[0].encode() or not parts:
        raise Invalid(
            f"what stands behind {words[0][:70]} is not a whole key of that type",
            "give the line of the .pub file as it is",
        )
    return key


def _strings(text: str) -> list[bytes]:
    """What a key is made of: strings, each behind its length in four bytes. Nothing when it is cut off."""
    try:
        left = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return []
    found = []
    while left:
        end = 4 + int.from_bytes(left[:4])
        if len(left) < end:
            return []
        found.append(left[4:end])
        left = left[end:]
    return found


def canonical_key(text: str) -> str:
    """A host key as OpenSSH writes it, without the comment there may be; Invalid when it is none."""
    words = text.split()
    with contextlib.suppress(binascii.Error, ValueError):
        if len(words) > 1 and base64.b64decode(words[1], validate=True)[4:].startswith(words[0].encode()):
            return bare(text)
    raise Invalid(
        f"{text!r} is no host key", "use a line as of `ssh-keyscan`, without the host: ssh-ed25519 AAAA..."
    )


def bare(text: str) -> str:
    """The key without a comment."""
    return " ".join(text.split()[:2])
