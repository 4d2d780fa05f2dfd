"""How many of what, in words. Ground: pure, imported by every room, imports none."""


def counted(count: int, noun: str, plural: str = "") -> str:
    """As `1 node`, `2 nodes`; `plural` is for nouns that take more than an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"
