"""A configuration of Junos: statements in a tree, as far as a switch's ports and VLANs need it.

A container is a dict, a flag True, a value a str, and a list (`members [ a b ]`) a list of str. `SCHEMA` says
which statement is what; `*` stands for a name that somebody gave.
"""

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Tree = dict[str, Any]
Statement = tuple[str, ...]
Problem = tuple[Sequence[str], str, str]

SWITCHING = ("unit", "0", "family", "ethernet-switching")  # below an interface
INTERFACE = re.compile(r"(?:[a-z]{2}-\d+/\d+/\d+|ae\d+|irb|lo0|vlan|v?me\d*|em\d+)")


@dataclass(frozen=True)
class Leaf:
    """A statement with nothing below it. `wrong` says what is wrong with a value."""

    kind: str  # flag, value, list
    wrong: Callable[[str], str | None] = lambda word: None
    number: bool = False  # without quotes in JSON


class SyntaxProblem(Exception):
    """A statement that the schema does not know; `at` is the number of the word."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at


def between(low: int, high: int) -> Callable[[str], str | None]:
    def wrong(word: str) -> str | None:
        if not word.isdigit():
            return f"invalid value '{word}'"
        return None if low <= int(word) <= high else f"Value {word} is not within range ({low}..{high})"

    return wrong


def one_of(*words: str) -> Callable[[str], str | None]:
    return lambda word: None if word in words else "syntax error."


FLAG, VALUE, LIST = Leaf("flag"), Leaf("value"), Leaf("list")
VLAN = Leaf("value", between(1, 4094))
SCHEMA: Tree = {
    "system": {"host-name": VALUE, "location": {"building": VALUE}},
    "interfaces": {
        "*": {
            "description": VALUE,
            "disable": FLAG,
            "mtu": Leaf("value", between(256, 9216), number=True),
            "native-vlan-id": Leaf("value", between(0, 4094), number=True),
            "unit": {
                "*": {
                    "description": VALUE,
                    "family": {
                        "ethernet-switching": {
                            "interface-mode": Leaf("value", one_of("access", "trunk")),
                            "vlan": {"members": LIST},
                            "storm-control": VALUE,
                        },
                        "inet": {"address": LIST, "dhcp": FLAG},
                    },
                }
            },
        }
    },
    "vlans": {"*": {"vlan-id": VLAN, "description": VALUE, "l3-interface": VALUE}},
}
ON_ONE_LINE = ("unit", "family")  # `unit 0 {`, where others are a block of blocks
LIST_IN_JSON = {"interfaces": "interface", "vlans": "vlan"}
PRUNED = ("vlan", "location", "system")  # go when nothing is left in them


def words_of(text: str) -> list[str]:
    """The words of a statement; what stands in quotes is one."""
    return [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', text)]


def resolve(words: Sequence[str]) -> tuple[list[str], Leaf | None, list[str]]:
    """The path of a statement in full, its leaf when it ends at one, and the values behind that."""
    schema: Any = SCHEMA
    path: list[str] = []
    for at, word in enumerate(words):
        name = _step(schema, path, word, at)
        schema = schema["*"] if "*" in schema else schema[name]
        path.append(name)
        if isinstance(schema, Leaf):
            return path, schema, _values(schema, words, at + 1)
    return path, None, []


def _step(schema: Mapping[str, Any], path: list[str], word: str, at: int) -> str:
    if "*" in schema:
        if path == ["interfaces"] and not INTERFACE.fullmatch(word):
            raise SyntaxProblem(at, f"invalid interface type in '{word}'")
        return word
    fits = [word] if word in schema else [key for key in schema if key.startswith(word)]
    if len(fits) != 1:
        raise SyntaxProblem(at, f"'{word}' is ambiguous." if fits else "syntax error.")
    return fits[0]


def _values(leaf: Leaf, words: Sequence[str], at: int) -> list[str]:
    found = list(words[at:])
    if leaf.kind == "list" and found[:1] == ["["]:
        if found[-1] != "]":
            raise SyntaxProblem(len(words), "missing argument.")
        return found[1:-1]
    if len(found) > (leaf.kind != "flag"):
        raise SyntaxProblem(at + (leaf.kind != "flag"), "syntax error.")
    for word in found:
        if problem := leaf.wrong(word):
            raise SyntaxProblem(at, problem)
    return found


def insert(tree: Tree, words: Sequence[str]) -> None:
    """`set`."""
    path, leaf, values = resolve(words)
    if leaf is not None and leaf.kind != "flag" and not values:
        raise SyntaxProblem(len(words), "missing argument.")
    if not path:
        raise SyntaxProblem(0, "missing argument.")
    *above, last = path
    node = tree
    for name in above:
        node = node.setdefault(name, {})
    if leaf is None:
        node.setdefault(last, {})
    elif leaf.kind == "list":
        node[last] = list(dict.fromkeys([*node.get(last, []), *values]))
    else:
        node[last] = values[0] if values else True


def remove(tree: Tree, words: Sequence[str]) -> bool:
    """`delete`; whether there was such a statement."""
    path, _, values = resolve(words)
    nodes = [tree]
    for name in path:
        if name not in nodes[-1]:
            return False
        nodes.append(nodes[-1][name])
    found: Any = nodes[-1]
    if values and isinstance(found, list):
        gone = [value for value in values if value in found]
        found[:] = [value for value in found if value not in values]
        if found or not gone:
            return bool(gone)
    elif values and found != values[0]:
        return False
    for name, node in zip(reversed(path), reversed(nodes[:-1]), strict=True):
        del node[name]
        if node or path[path.index(name) - 1] not in PRUNED:
            break
    return True


def below(tree: Tree, path: Sequence[str]) -> Any:
    """What stands at the path; None when nothing does."""
    found: Any = tree
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def statements(tree: Tree, path: Statement = ()) -> Iterator[tuple[Statement, str]]:
    """Each statement with its value; "" where there is none to have."""
    for name, node in tree.items():
        here = (*path, name)
        if isinstance(node, dict) and node:
            yield from statements(node, here)
        elif isinstance(node, list):
            yield from (((*here, value), "") for value in node)
        else:
            yield here, node if isinstance(node, str) else ""


def set_lines(tree: Tree) -> list[str]:
    """`display set`."""
    return [
        f"set {' '.join([*path, *([quoted(value)] if value else [])])}" for path, value in statements(tree)
    ]


def quoted(value: str) -> str:
    return value if re.fullmatch(r"[\w./:-]+", value) else f'"{value}"'


def blocks(tree: Tree, indent: str = "") -> list[str]:
    """The configuration in braces."""
    lines: list[str] = []
    for name, node in tree.items():
        if name in ON_ONE_LINE:
            lines += blocks({f"{name} {key}": inner for key, inner in node.items()}, indent)
        elif isinstance(node, dict) and node:
            lines += [f"{indent}{name} {{", *blocks(node, indent + "    "), f"{indent}}}"]
        elif isinstance(node, list):
            value = " ".join(node)
            lines.append(f"{indent}{name} {value if len(node) == 1 else f'[ {value} ]'};")
        else:
            lines.append(f"{indent}{name}{' ' + quoted(node) if isinstance(node, str) else ''};")
    return lines


def as_junos_json(tree: Tree) -> str:
    """`display json`."""
    return json.dumps({"configuration": _json(tree, SCHEMA)}, indent=4, separators=(",", " : "))


def _json(tree: Tree, schema: Mapping[str, Any]) -> Tree:
    made: Tree = {}
    for name, node in tree.items():
        inner = schema["*"] if "*" in schema else schema[name]
        if isinstance(inner, dict) and "*" in inner:
            entries = [
                {"name": int(key) if key.isdigit() else key, **_json(each, inner["*"])}
                for key, each in node.items()
            ]
            made[name] = {LIST_IN_JSON[name]: entries} if name in LIST_IN_JSON else entries
        elif isinstance(inner, dict):
            made[name] = _json(node, inner)
        elif node is True:
            made[name] = [None]
        else:
            made[name] = int(node) if inner.number else node
    return made


def compared(old: Tree, new: Tree, path: Statement = ()) -> list[str]:
    """`show | compare`: what came and what went, each below the place where it stands."""
    here: list[str] = []
    deeper: list[str] = []
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict) and before and after:
            deeper += compared(before, after, (*path, name))
            continue
        here += [f"-  {line}" for line in blocks({name: before}, " ")] if before is not None else []
        here += [f"+  {line}" for line in blocks({name: after}, " ")] if after is not None else []
    head = [" ".join(["[edit", *path]) + "]"] if here else []
    return [*head, *here, *deeper]


class Conflict(Exception):
    """Two have changed the same statement; `path` leads to it."""

    def __init__(self, path: Statement) -> None:
        super().__init__(path)
        self.path = path


def merge(base: Tree, own: Tree, now: Tree, path: Statement = ()) -> None:
    """Change `now` as `base` was changed into `own`; Conflict when somebody changed the same otherwise."""
    for name in dict.fromkeys([*base, *own]):
        was, mine, theirs = base.get(name), own.get(name), now.get(name)
        if mine in (was, theirs):
            continue
        if isinstance(mine, dict) and isinstance(theirs, dict):
            merge(was or {}, mine, theirs, (*path, name))
        elif isinstance(mine, list) and isinstance(theirs, list):
            kept = [one for one in theirs if one in mine or one not in (was or [])]
            now[name] = list(dict.fromkeys([*kept, *(one for one in mine if one not in (was or []))]))
        elif theirs != was:
            raise Conflict((*path, name))
        elif mine is None:
            del now[name]
        else:
            now[name] = copy.deepcopy(mine)


def problems_of(tree: Tree) -> Iterator[Problem]:
    """Where the statements contradict each other: the path, the element, and Junos' words."""
    tags: dict[str, str] = {}
    for name, node in tree.get("vlans", {}).items():
        if (tag := node.get("vlan-id")) and tags.setdefault(tag, name) != name:
            yield ("vlans", name), f"vlan-id {tag}", f"vlan-id {tag} is already used by vlan {tags[tag]}"
    for name, node in tree.get("interfaces", {}).items():
        families = below(node, SWITCHING[:3]) or {}
        where = ("interfaces", name, "unit 0", "family")
        if len(families) > 1 and "ethernet-switching" in families:
            message = (
                "When ethernet-switching family is configured on an interface, no other family type can be"
            )
            yield where[:-1], "family", f"{message} configured on the same interface."
        family = families.get("ethernet-switching", {})
        trunk = family.get("interface-mode") == "trunk"
        if "native-vlan-id" in node and not trunk:
            message = (
                "native-vlan-id can be specified with flexible-vlan-tagging mode or with interface-mode trunk"
            )
            yield ("interfaces", name), "native-vlan-id", message
        members = below(family, ("vlan", "members")) or []
        if trunk and not members:
            message = (
                "For trunk interface, please ensure either vlan members is configured or inner-vlan-id-list"
            )
            yield where, "ethernet-switching", f"{message} is configured"
        place = (*where[:-1], "family ethernet-switching vlan")
        yield from (
            (place, element, message) for element, message in member_problems(tree, name, members, trunk)
        )


def member_problems(
    tree: Tree, interface: str, members: Sequence[str], trunk: bool
) -> Iterator[tuple[str, str]]:
    vlans = tree.get("vlans", {})
    tags = {node.get("vlan-id") for node in vlans.values()}
    for member in members:
        if not trunk and (member == "all" or re.fullmatch(r"\d+-\d+", member)):
            yield f"members {member}", "Vlan range format not supported if interface-mode is access"
        elif not trunk and member.isdigit() and member not in tags:
            yield f"members {member}", f"No vlan matches vlan tag {member} for interface {interface}.0"
        elif not re.fullmatch(r"\d+(-\d+)?|all", member) and member not in vlans:
            yield f"members {member}", f"vlan {member} is not defined"
    if not trunk and len(members) > 1:
        yield f"members [ {' '.join(members)} ]", "interface-mode access allows one vlan member only"
