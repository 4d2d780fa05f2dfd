"""Small descriptions at random in which the same few names stand everywhere, so that what finds what is hard
to tell. About one in ten holds together."""

import random

NAMES = ("a", "b", "c", "P", "Q")
TAGS = ("[sfFinal] ", "[sfTemp] ", "[sfLocal] ", "[t] ")


def description(seed: int) -> str:
    """A whole file."""
    return _Maker(random.Random(seed)).file()


class _Maker:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def file(self) -> str:
        lines = []
        if self._chance.random() < 0.75:
            lines = [f"{name} {self._chance.randint(1, 9)};" for name in "abc"]
            lines += [f"{name} extends {{ {self._items(1, 2)} }}" for name in "PQ"]
        lines += [self._item(2) for _ in range(self._chance.randint(0, 3))]
        lines.append(f"sfConfig extends {self._component(3)}")
        self._chance.shuffle(lines)
        return "\n".join(lines)

    def _items(self, depth: int, most: int) -> str:
        return " ".join(self._item(depth) for _ in range(self._chance.randint(0, most)))

    def _item(self, depth: int) -> str:
        tags = self._chance.choice(TAGS) if self._chance.random() < 0.08 else ""
        length = 1 if self._chance.random() < 0.82 else self._chance.choice([2, 2, 2, 3])
        key = ":".join(self._chance.choices(NAMES, k=length))
        if self._chance.random() < 0.03:
            key = key[:-1] + "--" if length > 1 else "--"
        if depth > 0 and self._chance.random() < 0.5:
            return f"{tags}{key} extends {self._component(depth)}"
        return f"{tags}{key} {self._simple(1)};"

    def _component(self, depth: int) -> str:
        count = self._chance.choice([0, 0, 0, 1, 1, 1, 2])
        bodies = [
            self._reference() if self._chance.random() < 0.8 else f"{{ {self._items(depth - 1, 2)} }}"
            for _ in range(count)
        ]
        data = "DATA " if self._chance.random() < 0.05 else ""
        return data + ", ".join([*bodies, f"{{ {self._items(depth - 1, 3)} }}"])

    def _reference(self) -> str:
        count = self._chance.choice([1, 1, 1, 2, 2, 3])
        return ":".join(self._part(number, count) for number in range(count))

    def _part(self, number: int, count: int) -> str:
        name = self._chance.choice(NAMES)
        last = number == count - 1
        kinds = [name] * 38 + [f"ATTRIB {name}"] * 2 + [f"HERE {name}"] * 2
        kinds += [] if last else ["PARENT"] * 6
        kinds += ["ROOT"] * 2 if not number and not last else []
        return self._chance.choice([*kinds, "THIS"] if count > 1 else kinds)

    def _simple(self, depth: int) -> str:
        chance = self._chance.random()
        if depth < 0 or chance < 0.45:
            return str(self._chance.randint(1, 9))
        if chance < 0.83:
            word = self._chance.choice(["LAZY ", "OPTIONAL ", "OPTIONAL (0) ", "DATA ", *[""] * 20])
            return f"{word}{self._reference()}"
        if chance < 0.84:
            return self._chance.choice(["NULL", "NULL", "TBD"])
        if chance < 0.87:
            return f"(extends {self._component(depth - 1)})"
        one, other, third, fourth = (self._simple(depth - 1) for _ in range(4))
        written = [f"({one} + {other})", f"({one} ++ {other})", f"[{one}, {other}]"]
        return self._chance.choice([*written, f"IF ({one} == {other}) THEN {third} ELSE {fourth} FI"])
