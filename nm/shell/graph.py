"""A picture of a description: components within components, and what needs what. Pure but for `svg`.

Graphviz lays it out: boxes within boxes with arrows between them are what its `dot` has been made and cared
for since 1991, and no library for Python lays out such graphs without it. Who has none gets the text.
"""

import subprocess
from collections.abc import Iterator

from nm.pools.tree import ROOT, Part, Path, Tree, is_around, spell
from nm.shell.failures import GENERAL, Failure
from nm.shell.output import clean

LONGEST = 120.0  # seconds
COLOURS = {
    "Domain": "#cfe8cf", "XenDomain": "#cfe8cf", "LoopbackStorageBackend": "#f3e2c0",
    "LVMStorageBackend": "#f3e2c0", "Shell": "#e3e3e3", "Script": "#e3e3e3", "Group": "#d4e1f5",
    "Node": "#d4e1f5", "Vlan": "#d4e1f5", "HeadNode": "#d4e1f5",
}  # fmt: skip


def dot_text(tree: Tree, title: str) -> str:
    """The picture in the language of dot."""
    ids = {path: f"n{number}" for number, path in enumerate(tree.parts)}
    return "\n".join(
        [
            "digraph description {",
            f"  label={_quoted(title)}; labelloc=t; compound=true; rankdir=LR;",
            '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif"];',
            '  edge [fontname="sans-serif", fontsize=9, color="#555555"]; fontname="sans-serif";',
            *(_boxes(tree, ROOT, ids, "  ") if ROOT in tree.parts else ()),
            *_arrows(tree, ids),
            "}\n",
        ]
    )


def _boxes(tree: Tree, path: Path, ids: dict[Path, str], indent: str) -> Iterator[str]:
    """A component: a node, or a box around a point at which arrows end and around what is inside it."""
    part = tree.parts[path]
    inside = tree.inside(path)
    if not inside:
        colour = COLOURS.get(part.kind, "white")
        yield f"{indent}{ids[path]} [label={_quoted(_label(part))}, fillcolor={_quoted(colour)}];"
        return
    yield f"{indent}subgraph cluster_{ids[path]} {{"
    yield f"{indent}  label={_quoted(_label(part))}; style=rounded; color={_quoted('#888888')};"
    yield f"{indent}  {ids[path]} [shape=point, style=invis];"
    for child in inside:
        yield from _boxes(tree, child, ids, indent + "  ")
    yield f"{indent}}}"


def _label(part: Part) -> str:
    name = part.path[-1] if part.path else spell(part.path)
    place = f"\non {part.host}" if part.host and (not part.path or "sfProcessHost" in part.attributes) else ""
    return f"{name}\n{part.kind or 'unknown kind'}{place}"


def _arrows(tree: Tree, ids: dict[Path, str]) -> Iterator[str]:
    """From what needs something to that; what is around it is needed anyway."""
    for path, part in tree.parts.items():
        for name, target in part.needs.items():
            if target is None or target not in ids or is_around(target, path):
                continue
            ends = [f"label={_quoted(name)}"]
            if tree.inside(path):
                ends.append(f"ltail=cluster_{ids[path]}")
            if tree.inside(target):
                ends.append(f"lhead=cluster_{ids[target]}")
            yield f"  {ids[path]} -> {ids[target]} [{', '.join(ends)}];"


def _quoted(text: str) -> str:
    lines = (clean(line).replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n"))
    return '"' + "\\n".join(lines) + '"'


def svg(text: str) -> str:
    """The picture that dot makes of its text."""
    try:
        made = subprocess.run(
            ["dot", "-Tsvg"], input=text, capture_output=True, text=True, timeout=LONGEST, check=True
        )
    except FileNotFoundError:
        hint = "install Graphviz (apt install graphviz), or say --dot for its text"
        raise Failure("there is no program dot here", hint, GENERAL) from None
    except subprocess.TimeoutExpired:
        hint = "say --dot for its text, or draw a part of the description"
        raise Failure(f"dot took longer than {LONGEST:.0f} s", hint, GENERAL) from None
    except subprocess.CalledProcessError as error:
        raise Failure(f"dot failed: {clean(error.stderr.strip())[:500]}", "report it", GENERAL) from None
    return made.stdout
