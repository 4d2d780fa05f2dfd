"""`nmctl sf console`: what it shows, and what keys do to that. Pure.

A `View` has what somebody looks at; `press` takes a key and says what is to be asked of the daemon, if
anything: a change is tried first, which tells when it would count, and done when that has been seen. `take`
is given what the daemon answered; `draw` makes lines of it, pieces of text with a style each.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nm.shell import literals
from nm.shell.failures import Failure
from nm.shell.output import clean

Struct = Mapping[str, Any]
Piece = tuple[str, str]
Line = list[Piece]

STEP = 200  # components that are shown of what is inside one, and so many more each time
PAGE = 15  # lines
COUNTS = {
    "now": "at once",
    "restart": "when it starts again",
    "refused": "not at all",
    "replace": "only in a description that is applied",
    "termination": "when it ends",
}
BELOW = {
    "busy": "busy",
    "bad": "in trouble",
    "waiting": "waiting for a start",
    "drifted": "changed by hand",
}
KEYS = {
    "tree": "↑ ↓ move  → unfold  ← fold  Enter attributes  / find  q leave",
    "component": "↑ ↓ move  c change  a add  d delete  ← back  q leave",
    "looking": "↑ ↓ move  ← back  q leave",
    "typing": "Enter goes on, Escape leaves it",
    "trying": "Enter does it, Escape leaves it",
}


@dataclass(frozen=True)
class Ask:
    """What is to be asked of the daemon: a method that changes an attribute; dry: what it would mean."""

    method: str
    arguments: tuple[Any, ...]
    dry: bool


@dataclass
class Typed:
    """A line that is being typed. what: find, name, or value (of `name`)."""

    what: str
    text: str = ""
    name: str = ""


@dataclass
class View:
    """What somebody looks at of the description of that name."""

    name: str
    root: str = ""
    answer: Struct = field(default_factory=dict)
    trouble: str = ""  # why the answer is old
    said: str = ""  # the last thing that was told
    wrong: bool = False  # it was no good thing
    words: str = ""  # what is looked for
    unfolded: dict[str, int] = field(default_factory=dict)
    place: str = ""  # the component on which one stands
    chosen: str = ""  # the component whose attributes are shown
    attribute: int = 0  # the attribute on which one stands
    typed: Typed | None = None
    tried: Ask | None = None  # what is done with Enter
    over: bool = False

    # ---- to the daemon and back

    def wanted(self) -> dict[str, Any]:
        """The view as GetComponentTree takes it."""
        found: dict[str, Any] = {"root": self.root}
        if self.words:
            found["find"] = self.words
        if self.unfolded:
            found["open"] = [[path, count] for path, count in self.unfolded.items() if count]
        if self.chosen:
            found["chosen"] = self.chosen
        return found

    def take(self, answer: Struct) -> None:
        """What is to be seen now."""
        self.answer, self.trouble = answer, ""
        if not self.unfolded and answer["rows"]:
            self.unfolded = {answer["root"]: STEP}
        paths = [row["path"] for row in answer["rows"]]
        if self.place not in paths and paths:
            self.place = paths[0]
        if self.chosen and answer["chosen"] is None:
            self.chosen = ""

    def say(self, words: str, *, wrong: bool = False) -> None:
        """Tell something below."""
        self.said, self.wrong = words, wrong

    @property
    def why_not(self) -> str:
        """Why nothing can be changed; empty when it can be."""
        description, component = self.answer["description"], self.answer["chosen"]
        if not description["may_set"]:
            owner = description["owner"]["name"]
            return f"you may only look: {owner} may change this, with the right describe"
        if not self.answer["editable"]:
            return "this console is for looking only (screenEditable false)"
        if component is None or component["state"] != "running":
            return "attributes are changed while the component runs"
        return ""

    # ---- keys

    def press(self, key: str) -> Ask | None:
        """What a key does: a printable character, or its name: enter, escape, up, left, home and so on."""
        if self.tried is not None:
            return self._confirmed(key)
        if self.typed is not None:
            return self._type(self.typed, key)
        if key == "q":
            self.over = True
        elif self.answer and self.chosen:
            return self._walk_component(key)
        elif self.answer:
            self._walk_tree(key)
        return None

    def _confirmed(self, key: str) -> Ask | None:
        tried = self.tried
        if key not in ("enter", "escape") or tried is None:
            return None
        self.tried = None
        self.say("" if key == "enter" else "nothing was changed")
        return Ask(tried.method, tried.arguments, dry=False) if key == "enter" else None

    def _type(self, typed: Typed, key: str) -> Ask | None:
        if key == "escape":
            self.typed = None
            self.words = "" if typed.what == "find" else self.words
        elif key == "backspace":
            typed.text = typed.text[:-1]
        elif len(key) == 1 and key.isprintable():
            typed.text += key
        elif key == "enter":
            return self._typed(typed)
        if self.typed is not None and typed.what == "find":
            self.words = typed.text
        return None

    def _typed(self, typed: Typed) -> Ask | None:
        """The line is there."""
        self.typed = None
        if typed.what == "find" or (typed.what == "name" and not typed.text):
            return None
        if typed.what == "name":
            self.typed = Typed("value", name=typed.text)
            return None
        try:
            value = literals.read(typed.text)
        except Failure as failure:
            self.typed = typed
            self.say(failure.message, wrong=True)
            return None
        return self._try("SetAttribute", typed.name, value)

    def _try(self, method: str, attribute: str, *value: Any) -> Ask:
        self.say("")
        return Ask(method, (self.name, f"{self.chosen}:{attribute}", *value), dry=True)

    def told(self, ask: Ask, remarks: Sequence[str]) -> None:
        """What a change would mean: it is done with Enter."""
        self.tried = ask
        self.say(f"{self.spoken(ask)}: {'; '.join(remarks)}")

    def changed(self, attribute: str) -> None:
        """An attribute was changed: tell when it waits, though it was to count at once."""
        component = self.answer["chosen"]
        if component is not None and attribute in component["waiting"] and "waits" in component["notes"]:
            self.say(f"{attribute} is set, and waits for the next start: {component['notes']['waits']}")

    def spoken(self, ask: Ask) -> str:
        """A change in words."""
        way = ask.arguments[1].removeprefix("sfConfig:")
        return f"set {way} {literals.spell(ask.arguments[2])}" if len(ask.arguments) > 2 else f"delete {way}"

    def _walk_tree(self, key: str) -> None:
        rows = self.answer["rows"]
        at = next((n for n, row in enumerate(rows) if row["path"] == self.place), 0)
        steps = {"up": at - 1, "down": at + 1, "page up": at - PAGE, "page down": at + PAGE, "home": 0,
                 "end": len(rows) - 1}  # fmt: skip
        if key == "/":
            self.typed = Typed("find", self.words)
        elif key == "escape":
            self.words = ""
        elif not rows:
            return
        elif key in steps:
            self.place = rows[min(max(steps[key], 0), len(rows) - 1)]["path"]
        elif key == "enter":
            self.chosen, self.attribute = self.place, 0
            self.say("")
        elif key in ("right", "left"):
            self._fold(rows[at], key)

    def _fold(self, row: Struct, key: str) -> None:
        shown = self.unfolded.get(row["path"], 0)
        if key == "right" and row["inside"] > shown:  # also more of it
            self.unfolded[row["path"]] = shown + STEP
        elif key == "left" and shown:
            self.unfolded[row["path"]] = 0
        elif key == "left" and row["parent"] is not None and row["path"] != self.answer["root"]:
            self.place = row["parent"]

    def _walk_component(self, key: str) -> Ask | None:
        component = self.answer["chosen"]
        if key in ("left", "escape"):
            self.chosen = ""
            self.say("")
            return None
        if component is None:
            return None  # it is not there yet
        names = list(component["attributes"])
        if key in ("up", "down") and names:
            step = 1 if key == "down" else -1
            self.attribute = min(max(self.attribute + step, 0), len(names) - 1)
        elif key in ("c", "a", "d") and self.why_not:
            self.say(self.why_not, wrong=True)
        elif key == "a":
            self.typed = Typed("name")
        elif key in ("c", "d") and names:
            return self._change(component, names[min(self.attribute, len(names) - 1)], key)
        return None

    def _change(self, component: Struct, name: str, key: str) -> Ask | None:
        if name in component["locked"]:
            self.say(f"{name} changes {COUNTS['replace']}", wrong=True)
        elif key == "c":
            value = component["attributes"][name]
            self.typed = Typed("value", literals.written(value), name)
        else:
            return self._try("RemoveAttribute", name)
        return None


# ---- the drawing


def draw(view: View, width: int, height: int) -> list[Line]:
    """So many lines at most; where the keys are, is among them."""
    if not view.answer:
        return [[(view.trouble or "asking the daemon …", "bad" if view.trouble else "")]]
    head, foot = list(_head(view)), list(_foot(view))
    body, at = _component(view) if view.chosen else _tree(view)
    room = max(1, height - len(head) - len(foot))
    first = min(max(0, at - room // 2), max(0, len(body) - room))
    return [_cut(line, width) for line in (*head, *body[first : first + room], *foot)]


def _head(view: View) -> Iterator[Line]:
    description, title = view.answer["description"], view.answer["title"]
    what = description["name"] if title == "sfConfig" else f"{title} of {description['name']}"
    job = f", job {description['job']} is at it" if description["job"] is not None else ""
    yield [(what, "bold"), (f"  {description['state']}{job}, revision {description['revision']}", "")]
    if view.trouble:
        yield [(view.trouble, "bad")]
    if description["error"]:
        yield [(description["error"], "bad")]
    if view.words:
        shown, every = len(view.answer["rows"]), view.answer["matching"]
        yield [(f"{shown} of {every} that are found by {view.words!r}", "moving")]
    yield []


def _foot(view: View) -> Iterator[Line]:
    yield []
    if view.said:
        yield [(view.said, "bad" if view.wrong else "good")]
    if view.typed is not None:
        words = {"find": "find", "name": "name of the attribute"}.get(view.typed.what, view.typed.name)
        yield [(f"{words}: ", "bold"), (view.typed.text, ""), ("█", "")]
    if view.tried is not None:
        mode = "trying"
    elif view.typed is not None:
        mode = "typing"
    elif view.chosen:
        mode = "looking" if view.why_not else "component"
    else:
        mode = "tree"
    yield [(KEYS[mode], "dim")]


def _tree(view: View) -> tuple[list[Line], int]:
    """The lines of the tree, and on which of them one stands."""
    rows = view.answer["rows"]
    levels: dict[str, int] = {}
    lines: list[Line] = []
    at = 0
    for number, row in enumerate(rows):
        levels[row["path"]] = levels.get(row["parent"] or "", -1) + 1
        here = row["path"] == view.place
        at = number if here else at
        level = 0 if view.words else levels[row["path"]]
        lines.append([("> " if here else "  ", "bold"), ("  " * level, ""), *_row(view, row)])
    return lines or [[("nothing is found" if view.words else "no component is there", "")]], at


def _row(view: View, row: Struct) -> Iterator[Piece]:
    open_ = bool(row["inside"] and view.unfolded.get(row["path"]) and not view.words)
    name = row["path"]
    if not view.words and row["parent"] not in (None, "sfConfig"):
        name = name.removeprefix(f"{row['parent']}:")
    yield ("▾ " if open_ else "▸ " if row["inside"] and not view.words else "  "), ""
    yield name, "bold"
    yield f"  {row['kind']}" + (f" on {row['host']}" if row["host"] else ""), "dim"
    yield f"  {row['state']}" + (f", {row['doing']} is under way" if row["doing"] else ""), style_of(row)
    if about := "  ".join(_about(view, row, open_)):
        yield f"  {about}", style_of(row) if row["notes"] else "moving" if row["waiting"] else "dim"


def _about(view: View, row: Struct, open_: bool) -> Iterator[str]:
    if row["waiting"]:
        yield f"{', '.join(row['waiting'])} waits for the next start"
    yield from row["notes"].values()
    shown = view.unfolded.get(row["path"], 0)
    if open_ and row["inside"] > shown:
        yield f"{row['inside'] - shown} more (→)"
    below = row["below"]
    if row["inside"] and not open_:
        yield f"{below['components'] - 1} inside"
        yield from (f"{below[word]} {text}" for word, text in BELOW.items() if below[word])


def style_of(row: Struct) -> str:
    """How a component looks as it stands."""
    if row["going"] == "abnormal" or row["notes"].get("trouble") or row["notes"].get("unreachable"):
        return "bad"
    moving = row["doing"] or row["going"] or row["notes"].get("drift")
    return "moving" if moving else "good" if row["state"] == "running" else ""


def _component(view: View) -> tuple[list[Line], int]:
    """The lines of a component, and on which of them one stands."""
    component = view.answer["chosen"]
    if component is None:
        return [[(view.chosen, "bold")]], 0
    place = f" on {component['host']}" if component["host"] else ""
    title = f"{component['path']} ({component['kind']}){place}: "
    lines: list[Line] = [[(title, "bold"), (component["state"], style_of(component))]]
    lines += [[(f"  {key}: {text}", "moving")] for key, text in component["notes"].items()]
    lines += [[(f"  {name} → {to or 'nowhere'}", "dim")] for name, to in component["needs"].items()]
    first, width = len(lines), max(map(len, component["attributes"]), default=0)
    for number, (name, value) in enumerate(component["attributes"].items()):
        here = number == view.attribute
        lines.append(
            [("> " if here else "  ", "bold"), (f"{name:{width}}  ", "bold"), *_value(component, name, value)]
        )
    if view.why_not:
        lines += [[], [(view.why_not, "dim")]]
    return lines, first + view.attribute


def _value(component: Struct, name: str, value: Any) -> Iterator[Piece]:
    yield literals.spell(value), ""
    if name in component["begun"]:
        begun = component["begun"][name]
        yield (
            f"  (it was started {'without it' if begun is None else f'with {literals.spell(begun)}'})",
            "dim",
        )
    if name in component["waiting"]:
        yield "  waits for the next start", "moving"
    effects = ["replace"] if name in component["locked"] else component["effects"][name].split(" or ")
    yield f"  {', or '.join(COUNTS[effect] for effect in effects)}", "dim"


def _cut(line: Line, width: int) -> Line:
    """The line as far as it fits, without what would steer a terminal."""
    cut: Line = []
    for text, style in line:
        piece = clean(text)[:width]
        width -= len(piece)
        cut.append((piece, style))
    return cut
