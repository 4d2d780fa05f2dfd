"""Descriptions that hold together, made at random.

Names say what they are worth: i0.. are Integers, s0.. strings, v0.. lists, c0.. components. The root has all
of them, so a search always ends somewhere; a value is made of names with lower numbers only, so there is no
circle, whatever is inherited or placed where.
"""

import random

NUMBERS = 4
TAGS = ("", "", "", "", "[sfTemp] ", "[mine] ")


def description(seed: int) -> str:
    """A whole file."""
    return _Maker(random.Random(seed)).file()


class _Maker:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def file(self) -> str:
        roots = [f"{kind}{n} {self._value(kind, n)};" for kind in "isv" for n in range(NUMBERS)]
        leaves = [f"D{n} extends {{ {' '.join(self._plain(2))} }}" for n in range(NUMBERS)]
        prototypes = [f"P{n} extends {self._bases(n)}{{ {self._items(2)} }}" for n in range(NUMBERS)]
        config = f"sfConfig extends {self._bases(NUMBERS)}{{ {self._items(3)} }}"
        lines = [*roots, *leaves, *prototypes, config]
        self._chance.shuffle(lines)
        return '#include "org/smartfrog/functions.sf"\n' + "\n".join(lines)

    def _bases(self, below: int) -> str:
        count = self._chance.choice([0, 0, 1, 1, 2])
        named = [f"P{self._chance.randrange(below)}" for _ in range(count)] if below else []
        return "".join(f"{name}, " for name in named)

    def _plain(self, count: int) -> list[str]:
        said = []
        for _ in range(self._chance.randint(0, count)):
            kind, number = self._chance.choice("isv"), self._chance.randrange(NUMBERS)
            said.append(f"{self._chance.choice(TAGS)}{kind}{number} {self._value(kind, number)};")
        return said

    def _items(self, depth: int) -> str:
        said = self._plain(4)
        parts = [f"c{n}" for n in range(NUMBERS) if depth and self._chance.random() < 0.4]
        for part in parts:
            data = self._chance.choice(["", "", "", "DATA "])
            bases = self._bases(NUMBERS if depth > 2 else 0)
            said.append(f"{part} extends {data}{bases}{{ {self._items(depth - 1)} }}")
        for part in parts:
            if self._chance.random() < 0.5:
                kind, number = self._chance.choice("isv"), self._chance.randrange(NUMBERS)
                said.append(f"{part}:{kind}{number} {self._value(kind, number)};")
            if self._chance.random() < 0.3:
                said.append(
                    f"{part}:D extends D{self._chance.randrange(NUMBERS)} {{ {' '.join(self._plain(2))} }}"
                )
            if self._chance.random() < 0.3:
                said.append(f"{self._chance.choice(['l', 'm'])} LAZY {part};")
        if self._chance.random() < 0.3:
            said.append(f"e D{self._chance.randrange(NUMBERS)};")
        self._chance.shuffle(said)
        return " ".join(said)

    def _value(self, kind: str, number: int) -> str:
        lower = [f"{kind}{n}" for n in range(number)]
        if not lower or self._chance.random() < 0.4:
            return self._literal(kind)
        one, other = self._chance.choice(lower), self._chance.choice(lower)
        chosen = {
            "i": [
                *(one, f"ROOT:{one}", f"OPTIONAL (7) none:{one}", f"({one} + {other} + 1)", f"({one} * 2)"),
                *(f"extends sum {{ -- {one}; x {other}; }}", f"IF ({one} < {other}) THEN 1 ELSE {one} FI"),
            ],
            "s": [one, f'({one} ++ "x" ++ {other})', f"({one} ++ i0)", f"ATTRIB {one}"],
            "v": [one, f"[i0, s0, {one}]", f"({one} <> {other})", "[| 1, NULL |]", "[]"],
        }
        return self._chance.choice(chosen[kind])

    def _literal(self, kind: str) -> str:
        digit = self._chance.randint(0, 9)
        return {"i": str(digit - 5), "s": f'"t{digit}"', "v": f"[{digit}]"}[kind]
