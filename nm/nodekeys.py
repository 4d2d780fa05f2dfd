"""The SSH keys that a PLC would have in accounts of this node, beside those that are there. Pure.

nm's keys stand between two lines of its own in authorized_keys; what stands outside of them is not nm's.
"""

from collections.abc import Collection, Mapping, Sequence

from nm.errors import Invalid
from nm.keys import parse_keys

BEGIN = "# nm begin: keys from the PLC; what is changed between these two lines is lost"
END = "# nm end"


def wanted(told: object, names: Collection[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The keys of each of these accounts, and in words what was left out.

    One that is told of without keys, or not at all in a list of others, is to have none. No list, no change.
    """
    if not isinstance(told, list):
        return {}, []
    found: dict[str, list[str]] = {name: [] for name in names}
    problems = []
    for entry in told:
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if not isinstance(name, str) or name not in found:
            continue
        keys = entry.get("keys")
        for number, key in enumerate(keys if isinstance(keys, list) else [], 1):
            try:
                found[name] += parse_keys([key])
            except Invalid as error:
                problems.append(f"account {name}: key {number} is left out: {error.message}")
    return {name: list(dict.fromkeys(keys)) for name, keys in found.items()}, problems


def merged(text: str, keys: Sequence[str]) -> str:
    """The text of authorized_keys with just these keys between nm's lines; without those when there is none.

    A first line without its last one, as of a hand that took it away, is all of nm's block: the keys behind
    it stay, and are somebody else's.
    """
    lines = text.removesuffix("\n").split("\n") if text else []
    block = [BEGIN, *keys, END] if keys else []
    if BEGIN not in lines:
        kept, place = lines, len(lines)
    else:
        place = lines.index(BEGIN)
        after = lines[place + 1 :]
        kept = lines[:place] + (after[after.index(END) + 1 :] if END in after else after)
    return "".join(f"{line}\n" for line in (*kept[:place], *block, *kept[place:]))
